"""What is written down of every change: who made it, and in which order they came."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from routing_service.domain.binding import Binding


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what. `entry_id` grows. The JSON documents are empty where there was or is nothing."""

    entry_id: int
    at: datetime
    actor: str
    action: str
    object_id: str
    before_json: str
    after_json: str
    request_id: str


class ChangeType(Enum):
    """What happened to a binding."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class BindingChange:
    """One change: the binding after it, for DELETED before it. Positions of a tenant have no gaps."""

    position: int
    type: ChangeType
    binding: Binding
    changed_at: datetime
