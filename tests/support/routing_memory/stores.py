"""One store's adapters of the routing ports, and those in memory."""

from collections.abc import Callable
from dataclasses import dataclass

from common.auth.unmasking import UnmaskAudit
from common.clock import Clock
from routing_service.pool_ports import NumberPoolStore
from routing_service.ports import (
    AuditLog,
    BindingHistory,
    BindingImporter,
    BindingStore,
    CallMemoryStore,
    CandidateSource,
    ChangeFeed,
    NumberListStore,
    TenantStore,
)
from tests.support.routing_memory.bindings import MemoryBindingStore
from tests.support.routing_memory.call_memory import MemoryCallMemoryStore
from tests.support.routing_memory.candidates import MemoryCandidateSource
from tests.support.routing_memory.importer import MemoryBindingImporter
from tests.support.routing_memory.journal import MemoryAuditLog, MemoryChangeFeed, MemoryUnmaskAudit
from tests.support.routing_memory.number_lists import MemoryNumberListStore
from tests.support.routing_memory.pools import MemoryNumberPoolStore
from tests.support.routing_memory.tables import MemoryDatabase
from tests.support.routing_memory.tenants import MemoryTenantStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Adapters over the same data; `with_clock`: the same with another clock."""

    tenants: TenantStore
    bindings: BindingStore
    source: CandidateSource
    history: BindingHistory
    lists: NumberListStore
    pools: NumberPoolStore
    importer: BindingImporter
    memory: CallMemoryStore
    changes: ChangeFeed
    audit: AuditLog
    unmask_audit: UnmaskAudit
    with_clock: Callable[[Clock], "Stores"]


def memory_stores(database: MemoryDatabase, clock: Clock) -> Stores:
    """The adapters in memory."""
    source = MemoryCandidateSource(database)
    return Stores(
        tenants=MemoryTenantStore(database, clock),
        bindings=MemoryBindingStore(database, clock),
        source=source,
        history=source,
        lists=MemoryNumberListStore(database, clock),
        pools=MemoryNumberPoolStore(database, clock),
        importer=MemoryBindingImporter(database, clock),
        memory=MemoryCallMemoryStore(database),
        changes=MemoryChangeFeed(database),
        audit=MemoryAuditLog(database),
        unmask_audit=MemoryUnmaskAudit(database, clock),
        with_clock=lambda other: memory_stores(database, other),
    )
