"""What is written, as names and texts in the protocol's order: the one list that both writers follow."""

from common.protocol_codes import MemberType, Method
from gateway.domain import CallAttributes, Event, EventMember, Member, Query

Pairs = list[tuple[str, str]]

# Where a `<msg>` document can stand.
PROMPT_FIELDS = frozenset(
    {
        "callerPrompt",
        "warningPrompt",
        "ringbackPrompt",
        "answerPrompt",
        "disconnectPrompt",
        "failPrompt",
    }
)
_CALLED = MemberType.CALLED.text


def member_pairs(member: Member) -> Pairs:
    """A member of an answer. Prompts are written only when there are some."""
    pairs = [("number", member.number), ("type", _CALLED), ("displayNumber", member.display_number)]
    if member.answer_prompt:
        pairs.append(("answerPrompt", member.answer_prompt))
    if member.disconnect_prompt:
        pairs.append(("disconnectPrompt", member.disconnect_prompt))
    if member.fail_prompt:
        pairs.append(("failPrompt", member.fail_prompt))
    return pairs


def pairs_before_members(attributes: CallAttributes) -> Pairs:
    """The optional fields that the protocol's table has before userList."""
    pairs = []
    if attributes.client_id is not None:
        pairs.append(("clientId", attributes.client_id))
    if attributes.caller_prompt is not None:
        pairs.append(("callerPrompt", attributes.caller_prompt))
    return pairs


def pairs_after_members(attributes: CallAttributes) -> Pairs:
    """The optional fields that the protocol's table has after userList."""
    pairs = []
    if attributes.user_data is not None:
        pairs.append(("callData", attributes.user_data))
    if attributes.callback_url is not None:
        pairs.append(("callBackUrl", attributes.callback_url))
    if attributes.max_duration_seconds is not None:
        pairs.append(("maxDuration", str(attributes.max_duration_seconds)))
    if attributes.record_type is not None:
        pairs.append(("recordType", attributes.record_type.text))
    if attributes.warning_duration_seconds is not None:
        pairs.append(("warningDuration", str(attributes.warning_duration_seconds)))
    if attributes.warning_prompt is not None:
        pairs.append(("warningPrompt", attributes.warning_prompt))
    if attributes.connection_type is not None:
        pairs.append(("connType", attributes.connection_type.text))
    if attributes.ringback_mode is not None:
        pairs.append(("ringbackMode", attributes.ringback_mode.text))
    if attributes.ringback_prompt is not None:
        pairs.append(("ringbackPrompt", attributes.ringback_prompt))
    return pairs


def request_pairs(command: Query | Event) -> Pairs:
    """A request's fields but for userList, as a platform sends them; optional ones only when they say something."""
    if isinstance(command, Query):
        return [
            ("sid", command.session_id),
            ("vccId", command.tenant_id),
            ("callId", command.call_id),
            ("seq", command.seq),
            ("method", Method.QUERY.text),
            ("callingNumber", command.calling_number),
            ("accessNumber", command.access_number),
        ]
    optional = (
        ("clientId", command.client_id),
        ("callResult", command.call_result),
        ("reason", command.reason),
        ("callData", command.user_data),
        ("msServer", command.media_server),
        ("filePath", command.file_path),
    )
    return [
        ("sid", command.session_id),
        ("vccId", command.tenant_id),
        ("callId", command.call_id),
        ("seq", command.seq),
        ("method", Method.EVENT.text),
        ("chargeExt", command.charge_ext),
        ("code", command.code),
        *(pair for pair in optional if pair[1]),
    ]


def event_member_pairs(member: EventMember) -> Pairs:
    """A member of an event, all fields, as platforms send them."""
    return [
        ("line", member.line),
        ("number", member.number),
        ("type", member.type),
        ("state", member.state),
        ("translate", member.translated_number),
    ]
