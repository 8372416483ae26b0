"""The platform's messages and our answers as bytes, in both formats of the protocol. Pure: no input or output.

`decode_request` and `encode_answer` are what the gateway does; `encode_request` and `decode_answer` are the platform's
side of the same, for tools and tests.
"""

from functools import lru_cache

from gateway.codec import json_writer, xml_writer
from gateway.codec.answers import read_answer
from gateway.codec.detect import detect, refusal_form
from gateway.codec.errors import (
    BodyTooLargeError,
    InvalidEventError,
    InvalidQueryError,
    MalformedBodyError,
    MessageError,
    SlowBodyError,
    UnreadableBodyError,
    UnsupportedContentTypeError,
)
from gateway.codec.fields import read_request
from gateway.codec.json_reader import read_json_object
from gateway.codec.plain_query import read_plain_query
from gateway.codec.plain_xml import read_plain_xml
from gateway.codec.raw_tree import RawValue
from gateway.codec.xml_reader import read_xml
from gateway.domain import (
    DEFAULT_STYLE,
    AnswerStyle,
    Event,
    Message,
    MessageForm,
    Query,
    QueryAnswer,
    WireFormat,
)

MAX_BODY_BYTES = 64 * 1024

__all__ = [
    "MAX_BODY_BYTES",
    "BodyTooLargeError",
    "InvalidEventError",
    "InvalidQueryError",
    "MalformedBodyError",
    "MessageError",
    "SlowBodyError",
    "UnreadableBodyError",
    "UnsupportedContentTypeError",
    "decode_answer",
    "decode_request",
    "encode_answer",
    "encode_request",
]


def decode_request(content_type: str | None, body: bytes) -> Message:
    """The command in a request, from its Content-Type header and its body.

    Raises a MessageError, which carries its own answer, for everything that is no query and no event.
    """
    _check_size(content_type, body)
    form, text = detect(content_type, body)
    plain = read_plain_query(text) if form.wire_format is WireFormat.XML else None
    if plain is not None:
        return Message(_xml_form(form.content_type, plain[0]), plain[1])
    return read_request(*_read_text(form, text))


def encode_answer(form: MessageForm, answer: QueryAnswer, style: AnswerStyle = DEFAULT_STYLE) -> bytes:
    """The body of an answer to a request of this form."""
    if form.wire_format is WireFormat.JSON:
        return json_writer.write_answer(answer, style)
    return xml_writer.write_answer(form.xml_root, answer, style)


def encode_request(form: MessageForm, command: Query | Event) -> bytes:
    """The body of a request, as a platform sends it."""
    if form.wire_format is WireFormat.JSON:
        return json_writer.write_request(command)
    return xml_writer.write_request(form.xml_root or "request", command)


def decode_answer(content_type: str | None, body: bytes) -> tuple[MessageForm, QueryAnswer]:
    """An answer, and the form it is written in. Raises MessageError; its message names the field that is wrong."""
    form, root = _read(content_type, body)
    try:
        return form, read_answer(root)
    except MalformedBodyError as error:
        raise UnreadableBodyError(form, "body", error.message) from error


def _read(content_type: str | None, body: bytes) -> tuple[MessageForm, RawValue]:
    _check_size(content_type, body)
    return _read_text(*detect(content_type, body))


def _check_size(content_type: str | None, body: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLargeError(refusal_form(content_type, body), "body", f"over {MAX_BODY_BYTES} bytes")


def _read_text(form: MessageForm, text: str) -> tuple[MessageForm, RawValue]:
    try:
        if form.wire_format is WireFormat.JSON:
            return form, read_json_object(text)
        name, root = read_plain_xml(text) or read_xml(text)
    except MalformedBodyError as error:
        raise UnreadableBodyError(form, "body", error.message) from error
    return _xml_form(form.content_type, name), root


@lru_cache(maxsize=256)
def _xml_form(content_type: str, root_name: str) -> MessageForm:
    # A namespace prefix would be undeclared in the answer.
    return MessageForm(WireFormat.XML, content_type, root_name.rpartition(":")[2])
