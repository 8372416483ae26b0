"""What the gateway speaks about: the platform's messages, our answers, and how each is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from common.protocol_codes import ConnectionType, RecordType, ResultCode, RingbackMode


class WireFormat(Enum):
    """The two formats of the protocol."""

    XML = "xml"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class MessageForm:
    """How a request was written, so that its answer is written the same way.

    `content_type` is the media type without parameters. `xml_root` is the root's local name, empty for JSON.
    """

    wire_format: WireFormat
    content_type: str
    xml_root: str = ""

    @property
    def content_type_header(self) -> str:
        """The Content-Type of an answer in this form."""
        return f"{self.content_type}; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Query:
    """`method=query`: whom should the platform call? All values as the text that was sent.

    `seq` is empty when it was absent. `unknown_fields` are the fields that the protocol does not name, in order.
    """

    session_id: str
    tenant_id: str
    call_id: str
    calling_number: str
    access_number: str
    seq: str = ""
    unknown_fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class EventMember:
    """A member of an event's `userList`; all values as the text that was sent, empty when absent."""

    line: str = ""
    number: str = ""
    type: str = ""
    state: str = ""
    translated_number: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """`method=event`: something happened in a call. All values as the text that was sent, empty when absent.

    `form_flags` say what was doubtful: `missing:FIELD`, `number:FIELD` (digits were expected), `boolean:FIELD`,
    `nested:FIELD` (text was expected), `repeated:FIELD` (the first counts), `length:FIELD` (cut), `unreadable:FIELD`.
    """

    session_id: str
    tenant_id: str
    code: str
    call_id: str = ""
    seq: str = ""
    charge_ext: str = ""
    client_id: str = ""
    call_result: str = ""
    reason: str = ""
    user_data: str = ""
    members: tuple[EventMember, ...] = ()
    media_server: str = ""
    file_path: str = ""
    unknown_fields: tuple[tuple[str, str], ...] = ()
    form_flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A request that could be read: how it was written and what it says."""

    form: MessageForm
    command: Query | Event


@dataclass(frozen=True, slots=True)
class Member:
    """One member to call, numbers in the tenant's dialling format, prompts as their wire text (empty: none)."""

    number: str
    display_number: str
    answer_prompt: str = ""
    disconnect_prompt: str = ""
    fail_prompt: str = ""


@dataclass(frozen=True, slots=True)
class CallAttributes:
    """The optional fields of an answer; None means that the field is not sent. Durations are in seconds.

    Prompts are wire text: a file name or a `<msg>` document.
    """

    client_id: str | None = None
    caller_prompt: str | None = None
    user_data: str | None = None
    callback_url: str | None = None
    max_duration_seconds: int | None = None
    record_type: RecordType | None = None
    warning_duration_seconds: int | None = None
    warning_prompt: str | None = None
    connection_type: ConnectionType | None = None
    ringback_mode: RingbackMode | None = None
    ringback_prompt: str | None = None


NO_ATTRIBUTES = CallAttributes()


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """The answer to a query. The first six are mandatory in the protocol and always written.

    `reason` is an addition of this project: one English phrase that names the field of a request that is wrong, so that
    whoever connects a platform sees what to mend. It is written only when it is set, which no answer to a sound query
    has.
    """

    session_id: str
    tenant_id: str
    call_id: str
    seq: str
    result: ResultCode
    charge_ext: str = ""
    members: tuple[Member, ...] = ()
    attributes: CallAttributes = NO_ATTRIBUTES
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """A tenant's wishes: the XML root (empty: derived from the request's), a plain JSON list, nested XML prompts."""

    xml_root: str = ""
    plain_json_list: bool = False
    nested_prompts: bool = False


DEFAULT_STYLE = AnswerStyle()


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """What the routing service decided about a query, or what stands for it when it could not be asked.

    `direction` and `decision_source` are the contract's names without prefix (`A_TO_B`, `CACHE`), empty for none.
    `style` is None when the decision does not say; the gateway then takes what it knows of the tenant.
    """

    result: ResultCode
    charge_ext: str = ""
    members: tuple[Member, ...] = ()
    attributes: CallAttributes = NO_ATTRIBUTES
    style: AnswerStyle | None = None
    reason: str = ""
    binding_id: str = ""
    binding_revision: int = 0
    direction: str = ""
    decision_source: str = ""


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What the gateway needs to know of an enterprise. `failure_prompts` go by result code, or `default`."""

    tenant_id: str
    style: AnswerStyle = DEFAULT_STYLE
    default_region: str = ""
    charge_ext: str = ""
    failure_prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a message came in: the time (microseconds since 1970 UTC), the body and the Content-Type header."""

    received_at_us: int
    raw_body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event on its way to the log. `default_region` is the tenant's, empty when it is not known."""

    event: Event
    receipt: Receipt
    default_region: str = ""
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A message on its way to the quarantine: why it is no event, and whose it is as far as that can be read."""

    receipt: Receipt
    reason: str
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class AnsweredQuery:
    """A query and what was decided, for the call's record; from when to when, in seconds of the monotonic clock."""

    query: Query
    decision: RouteDecision
    started: float
    ended: float
    default_region: str = ""
    traceparent: str = ""
