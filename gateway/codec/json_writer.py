"""Answers and requests as JSON. Every value is a string."""

import orjson

from gateway.codec.outgoing import (
    event_member_pairs,
    member_pairs,
    pairs_after_members,
    pairs_before_members,
    request_pairs,
)
from gateway.domain import NO_ATTRIBUTES, AnswerStyle, Event, Query, QueryAnswer


def write_answer(answer: QueryAnswer, style: AnswerStyle) -> bytes:
    """The answer as an object in UTF-8: the mandatory fields, and the optional ones that are set."""
    fields: dict[str, object] = {
        "sid": answer.session_id,
        "vccId": answer.tenant_id,
        "callId": answer.call_id,
        "seq": answer.seq,
        "chargeExt": answer.charge_ext,
        "result": answer.result.text,
    }
    attributes = answer.attributes
    if attributes is not NO_ATTRIBUTES:
        fields.update(pairs_before_members(attributes))
    if answer.members:
        users = [dict(member_pairs(member)) for member in answer.members]
        fields["userList"] = users if style.plain_json_list else {"user": users}
    if attributes is not NO_ATTRIBUTES:
        fields.update(pairs_after_members(attributes))
    if answer.reason:
        fields["reason"] = answer.reason
    return orjson.dumps(fields)


def write_request(command: Query | Event) -> bytes:
    """A request as an object in UTF-8, as a platform sends it. Names of unknown fields must differ."""
    fields: dict[str, object] = dict(request_pairs(command))
    if isinstance(command, Event) and command.members:
        fields["userList"] = {"user": [dict(event_member_pairs(member)) for member in command.members]}
    fields.update(command.unknown_fields)
    return orjson.dumps(fields)
