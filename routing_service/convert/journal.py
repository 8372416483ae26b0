"""The audit log and the changes."""

from axbridge.routing.v1 import binding_service_pb2

from routing_service.convert.bindings import binding_to_proto
from routing_service.convert.values import moment_to_proto
from routing_service.domain.journal import AuditEntry, BindingChange, ChangeType

_TYPES_OUT = {
    ChangeType.CREATED: binding_service_pb2.BINDING_CHANGE_TYPE_CREATED,
    ChangeType.UPDATED: binding_service_pb2.BINDING_CHANGE_TYPE_UPDATED,
    ChangeType.DELETED: binding_service_pb2.BINDING_CHANGE_TYPE_DELETED,
}


def audit_entry_to_proto(entry: AuditEntry) -> binding_service_pb2.AuditEntry:
    return binding_service_pb2.AuditEntry(
        entry_id=entry.entry_id,
        at=moment_to_proto(entry.at),
        actor=entry.actor,
        action=entry.action,
        object_id=entry.object_id,
        before_json=entry.before_json,
        after_json=entry.after_json,
        request_id=entry.request_id,
    )


def change_to_proto(change: BindingChange) -> binding_service_pb2.BindingChange:
    return binding_service_pb2.BindingChange(
        position=change.position,
        type=_TYPES_OUT[change.type],
        binding=binding_to_proto(change.binding),
        changed_at=moment_to_proto(change.changed_at),
    )
