"""Messages that can't be taken, with everything needed to answer them."""

from common.errors import AxbridgeError, InvalidArgumentError
from common.protocol_codes import ResultCode
from gateway.domain import MessageForm, QueryAnswer


class MalformedBodyError(AxbridgeError):
    """A body that is no document of its format. The message says where, and quotes nothing of it."""

    reason = "MALFORMED_BODY"


class MessageError(InvalidArgumentError):
    """A message that is answered with a refusal.

    `field` names what is wrong (`body`, `Content-Type`, or a field of the protocol), `http_status` and `answer` are
    the refusal itself, to be written in `form`. Nothing in it quotes the message, apart from the echoed fields.
    """

    reason = "UNREADABLE_MESSAGE"
    http_status = 400

    def __init__(self, form: MessageForm, field: str, message: str, *, answer: QueryAnswer | None = None) -> None:
        super().__init__(field, message)
        self.form = form
        self.answer = answer or QueryAnswer("", "", "", "", ResultCode.MALFORMED_REQUEST, reason=self.message)


class UnreadableBodyError(MessageError):
    """The body is no document of its format, or the document holds no object: 400."""


class UnsupportedContentTypeError(MessageError):
    """The content type, or a body without one, is neither XML nor JSON: 415."""

    reason = "UNSUPPORTED_CONTENT_TYPE"
    http_status = 415


class BodyTooLargeError(MessageError):
    """The body is over the limit: 413."""

    reason = "BODY_TOO_LARGE"
    http_status = 413


class SlowBodyError(MessageError):
    """The body did not arrive in time: 408."""

    reason = "SLOW_BODY"
    http_status = 408


class InvalidQueryError(MessageError):
    """A required field is missing or bad, or the method is unknown: 200 and result 1001, so that it can be read."""

    reason = "INVALID_QUERY"
    http_status = 200


class InvalidEventError(MessageError):
    """An event that belongs to no call we could name: 400; the message goes to the quarantine."""

    reason = "INVALID_EVENT"
    http_status = 400
