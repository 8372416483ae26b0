"""What a body is: its format from the Content-Type header or its first character, its text from its encoding.

The encoding comes from the byte order mark, else from the XML declaration, else it is UTF-8, else GB18030 (of which
GBK and GB2312 are parts). The header's charset is never asked: platforms send `ISO-8859-1` with UTF-8 bodies.
"""

import codecs
import re
from functools import lru_cache

from gateway.codec.errors import MalformedBodyError, UnreadableBodyError, UnsupportedContentTypeError
from gateway.domain import MessageForm, WireFormat

XML_MEDIA_TYPE = "application/xml"
JSON_MEDIA_TYPE = "application/json"

_READABLE = {
    XML_MEDIA_TYPE: WireFormat.XML,
    "text/xml": WireFormat.XML,
    JSON_MEDIA_TYPE: WireFormat.JSON,
}
_SNIFFED = frozenset({"", "text/plain"})
_BLANK = " \t\r\n"

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_DECLARATION = re.compile(rb"[ \t\r\n]*<\?xml\s[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
# What a declaration may name. A document that calls itself UTF-16 without a mark is none: its declaration was readable.
_DECLARED = {
    b"utf-8": ("utf-8",),
    b"utf8": ("utf-8",),
    b"utf-16": ("utf-8",),
    b"gb18030": ("gb18030",),
    b"gbk": ("gb18030",),
    b"x-gbk": ("gb18030",),
    b"cp936": ("gb18030",),
    b"windows-936": ("gb18030",),
    b"gb2312": ("gb18030",),
    b"gb_2312-80": ("gb18030",),
    b"euc-cn": ("gb18030",),
    b"big5": ("big5",),
    # Libraries write these when nobody told them better; every UTF-8 document could be one of them.
    b"us-ascii": ("utf-8", "iso-8859-1"),
    b"ascii": ("utf-8", "iso-8859-1"),
    b"iso-8859-1": ("utf-8", "iso-8859-1"),
    b"latin1": ("utf-8", "iso-8859-1"),
    b"windows-1252": ("utf-8", "windows-1252"),
}
_UNDECLARED = ("utf-8", "gb18030")
# First bytes that begin no mark.
_UNMARKED = frozenset({b"<", b"{", b" ", b"\t", b"\r", b"\n"})


def detect(content_type: str | None, body: bytes) -> tuple[MessageForm, str]:
    """The form and the text of a body; `xml_root` is left for the reader.

    Raises UnsupportedContentTypeError and UnreadableBodyError.
    """
    form = form_of(content_type)
    if form is not None:
        return form, _decoded(body, form)
    media_type = _media_type(content_type)
    guess = _guess(body)
    if media_type not in _SNIFFED:
        wanted = "application/xml, text/xml or application/json"
        raise UnsupportedContentTypeError(guess, "Content-Type", f"not supported, send {wanted}")
    text = _decoded(body, guess)
    if text.startswith("<"):
        return MessageForm(WireFormat.XML, XML_MEDIA_TYPE), text
    if text.startswith("{"):
        return MessageForm(WireFormat.JSON, JSON_MEDIA_TYPE), text
    if not text:
        raise UnreadableBodyError(guess, "body", "empty")
    raise UnsupportedContentTypeError(guess, "Content-Type", "missing, and the body looks like neither XML nor JSON")


@lru_cache(maxsize=256)
def form_of(content_type: str | None) -> MessageForm | None:
    """The form that a Content-Type header names; None when it names neither XML nor JSON."""
    media_type = _media_type(content_type)
    wire_format = _READABLE.get(media_type)
    return None if wire_format is None else MessageForm(wire_format, media_type)


def refusal_form(content_type: str | None, beginning: bytes) -> MessageForm:
    """The form to refuse a body in that was not read whole."""
    return form_of(content_type) or _guess(beginning)


def decode_text(body: bytes, wire_format: WireFormat) -> str:
    """The body's text without byte order mark and blanks before it. Raises MalformedBodyError."""
    encodings, start = _encodings(body, wire_format)
    for encoding in encodings:
        try:
            return body[start:].decode(encoding).lstrip(_BLANK)
        except UnicodeDecodeError:
            continue
    raise MalformedBodyError("the bytes are no text in the encoding that they claim")


def _decoded(body: bytes, form: MessageForm) -> str:
    try:
        return decode_text(body, form.wire_format)
    except MalformedBodyError as error:
        raise UnreadableBodyError(form, "body", error.message) from error


def _encodings(body: bytes, wire_format: WireFormat) -> tuple[tuple[str, ...], int]:
    if body[:1] not in _UNMARKED:
        for mark, encoding in _BYTE_ORDER_MARKS:
            if body.startswith(mark):
                return (encoding,), len(mark)
    declaration = _DECLARATION.match(body, 0, 256) if wire_format is WireFormat.XML else None
    if declaration is None:
        return _UNDECLARED, 0
    encodings = _DECLARED.get(declaration[1].lower())
    if encodings is None:
        raise MalformedBodyError("the XML declaration names an encoding that is not supported")
    return encodings, 0


def _media_type(content_type: str | None) -> str:
    return "" if content_type is None else content_type.partition(";")[0].strip().lower()


def _guess(body: bytes) -> MessageForm:
    beginning = body[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    if beginning[:1] in (b"{", b"["):
        return MessageForm(WireFormat.JSON, JSON_MEDIA_TYPE)
    return MessageForm(WireFormat.XML, XML_MEDIA_TYPE)
