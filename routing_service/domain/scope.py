"""What a write can make stale at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheScope:
    """Everything that is answered about one access number of a tenant, whoever calls; or, without one, its settings.

    A write names every scope in which an answer may differ after it. It may name more, never fewer.
    """

    tenant_id: str
    access_number: str = ""
