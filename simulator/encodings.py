"""Which encoding a text can go out in, so that the reader has a fair chance to find it out."""


def usable_encoding(text: str, wanted: str, *, declared: bool) -> str:
    """`wanted`, or `utf-8` where `wanted` can't do.

    It can't when a character is missing in it, or when it is not declared and its bytes happen to be valid UTF-8 of
    another text: no reader could tell.
    """
    try:
        encoded = text.encode(wanted)
    except UnicodeEncodeError:
        return "utf-8"
    if declared or text.isascii():
        return wanted
    try:
        encoded.decode("utf-8")
    except UnicodeDecodeError:
        return wanted
    return "utf-8"
