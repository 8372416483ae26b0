"""Phone numbers as people outside the call may see them."""

import re

# 32 hexadecimal digits are an id of ours, whatever runs of digits there are in it.
_ID_OR_DIGITS = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{32}(?![0-9A-Za-z])|\+?\d{7,}")


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
    """`text` with every run of 7 digits or more masked, but for ids: for messages that may quote somebody's input."""
    return _ID_OR_DIGITS.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    text = found.group()
    return mask_number(text) if text[-1].isdigit() and text.lstrip("+").isdigit() else text
