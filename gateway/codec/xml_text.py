"""Text as XML character data."""

import re

# What XML 1.0 can't carry in any form; a document with one of these is refused by every reader.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_PROMPT = re.compile(
    r"<msg>(?:<(file|var)>(?:[^<>&\x00-\x1f\ud800-\udfff\ufffe\uffff]|&(?:amp|lt|gt);)*+</\1>)++</msg>"
)


def escape_text(text: str) -> str:
    """`text` as character data that reads back the same.

    Characters that XML 1.0 can't carry (controls, surrogates) become U+FFFD: they must never be sent.
    """
    if text.isalnum() or _SPECIAL.search(text) is None:
        return text
    text = _FORBIDDEN.sub("�", text)
    # A reader turns a bare carriage return into a line feed.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def is_xml_name(name: str) -> bool:
    """Whether a name can stand as an element's, by a rule narrower than XML's: ASCII, at most 64 characters."""
    return _NAME.fullmatch(name) is not None


def is_prompt_document(text: str) -> bool:
    """Whether `text` is a well-formed `<msg>` of `<file>` and `<var>`, fit to stand in a document as elements."""
    return _PROMPT.fullmatch(text) is not None
