"""What the platform says: a query, and the events of a call, by the protocol's own field names."""

from dataclasses import dataclass

from common.protocol_codes import CallResult, EventCode, MemberState, MemberType, Method

Fields = tuple[tuple[str, str], ...]
"""Field names of the protocol with their text, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class Query:
    """`method=query`: whom does a caller reach on an access number. `seq` is None when the field is left out."""

    session_id: str
    tenant_id: str
    call_id: str
    seq: str | None
    calling_number: str
    access_number: str

    def fields(self) -> Fields:
        return (
            ("sid", self.session_id),
            ("vccId", self.tenant_id),
            ("callId", self.call_id),
            *((("seq", self.seq),) if self.seq is not None else ()),
            ("method", Method.QUERY.text),
            ("callingNumber", self.calling_number),
            ("accessNumber", self.access_number),
        )


@dataclass(frozen=True, slots=True)
class EventMember:
    """One member of an event's `userList`. `translated_number` is empty when the number itself was reached."""

    line: str
    number: str
    type: MemberType
    state: MemberState
    translated_number: str = ""

    def fields(self) -> Fields:
        return (
            ("line", self.line),
            ("number", self.number),
            ("type", self.type.text),
            ("state", self.state.text),
            ("translate", self.translated_number),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """`method=event`: one step of a call. Optional fields are None when they are left out."""

    session_id: str
    tenant_id: str
    call_id: str
    seq: str
    charge_ext: str
    code: EventCode
    members: tuple[EventMember, ...]
    client_id: str | None = None
    call_result: CallResult | None = None
    reason: str | None = None
    user_data: str | None = None
    media_server: str | None = None
    file_path: str | None = None

    def fields(self) -> Fields:
        """Every field but `userList`, which each format writes in its own shapes."""
        optional = (
            ("clientId", self.client_id),
            ("callResult", self.call_result.text if self.call_result is not None else None),
            ("reason", self.reason),
            ("callData", self.user_data),
            ("msServer", self.media_server),
            ("filePath", self.file_path),
        )
        return (
            ("sid", self.session_id),
            ("vccId", self.tenant_id),
            ("callId", self.call_id),
            ("seq", self.seq),
            ("method", Method.EVENT.text),
            ("chargeExt", self.charge_ext),
            ("code", self.code.text),
            *((name, text) for name, text in optional if text is not None),
        )


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request body as it goes over the wire. `content_type` is None when the header is left out."""

    body: bytes
    content_type: str | None
    xml_root: str | None = None
    """Name of the XML root; None for JSON."""


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """What came back over HTTP."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A query's answer, read. `faults` lists what was wrong with its form while it could still be read."""

    fields: dict[str, str]
    members: tuple[dict[str, str], ...]
    xml_root: str | None
    faults: tuple[str, ...] = ()


class UnreadableAnswerError(Exception):
    """The answer can't be read at all; the message says why."""
