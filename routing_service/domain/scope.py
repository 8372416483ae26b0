"""What a write can make stale at once."""

from typing import NamedTuple


# A tuple, since it is hashed many times for each query.
class CacheScope(NamedTuple):
    """Everything that is answered about one access number of a tenant, whoever calls.

    Without an access number: the tenant's settings, and with them everything about all of its access numbers. A write
    names every scope in which an answer may differ after it. It may name more, never fewer.
    """

    tenant_id: str
    access_number: str = ""

    @property
    def whole_tenant(self) -> "CacheScope":
        """The scope of the tenant that this one is part of."""
        return CacheScope(self.tenant_id)
