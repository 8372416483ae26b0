"""Entries of number lists."""

from axbridge.routing.v1 import number_list_service_pb2 as pb

from common.errors import InvalidArgumentError
from routing_service.convert.values import enum_value, moment_from_proto, moment_to_proto
from routing_service.domain.number_list import (
    NumberListAction,
    NumberListEntry,
    NumberListTerms,
    NumberPatternType,
)

_ACTIONS = {
    pb.NUMBER_LIST_ACTION_ALLOW: NumberListAction.ALLOW,
    pb.NUMBER_LIST_ACTION_BLOCK: NumberListAction.BLOCK,
}
_ACTIONS_OUT = {domain: wire for wire, domain in _ACTIONS.items()}
_PATTERN_TYPES = {
    pb.NUMBER_PATTERN_TYPE_EXACT: NumberPatternType.EXACT,
    pb.NUMBER_PATTERN_TYPE_PREFIX: NumberPatternType.PREFIX,
}
_PATTERN_TYPES_OUT = {domain: wire for wire, domain in _PATTERN_TYPES.items()}


def list_terms_from_proto(message: pb.NumberListEntry) -> NumberListTerms:
    """What an entry says, numbers as they were written. Raises InvalidArgumentError."""
    action = enum_value(_ACTIONS, message.action, "entry.action")
    if action is None:
        raise InvalidArgumentError("entry.action", "ALLOW or BLOCK is needed")
    pattern_type = enum_value(_PATTERN_TYPES, message.pattern_type, "entry.pattern_type")
    if pattern_type is None:
        raise InvalidArgumentError("entry.pattern_type", "EXACT or PREFIX is needed")
    return NumberListTerms(
        access_number=message.access_number,
        action=action,
        pattern_type=pattern_type,
        pattern=message.pattern,
        note=message.note,
        expires_at=moment_from_proto(message, "expires_at", "entry.expires_at"),
    )


def list_entry_to_proto(entry: NumberListEntry) -> pb.NumberListEntry:
    terms = entry.terms
    return pb.NumberListEntry(
        entry_id=entry.entry_id,
        tenant_id=entry.tenant_id,
        access_number=terms.access_number,
        action=_ACTIONS_OUT[terms.action],
        pattern_type=_PATTERN_TYPES_OUT[terms.pattern_type],
        pattern=terms.pattern,
        note=terms.note,
        expires_at=None if terms.expires_at is None else moment_to_proto(terms.expires_at),
        created_at=moment_to_proto(entry.created_at),
    )
