"""Phone numbers as people outside the call may see them."""

import re

_DIGIT_RUN = re.compile(r"\+?\d{7,}")


def mask_number(number: str) -> str:
    """`13800001111` → `138****1111`, `+8613800001111` → `+86138****1111`.

    Numbers of 7 to 9 digits keep two digits at each end; shorter ones (service numbers, codes) are left as they are.
    """
    plus = "+" if number.startswith("+") else ""
    digits = number[len(plus) :]
    if len(digits) < 7:
        return number
    if len(digits) < 10:
        return f"{plus}{digits[:2]}****{digits[-2:]}"
    head = max(3, len(digits) - 8)
    return f"{plus}{digits[:head]}****{digits[-4:]}"


def mask_text(text: str) -> str:
    """`text` with every run of 7 digits or more masked: for messages that may quote somebody's input."""
    return _DIGIT_RUN.sub(lambda run: mask_number(run.group()), text)
