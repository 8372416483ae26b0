"""Every use case on one store, for the isolation test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from routing_service.binding_ids import BindingIds
from routing_service.call_memory import CallMemory
from routing_service.change_bell import ChangeBell
from routing_service.domain.binding import BindingTerms
from routing_service.domain.importing import ImportOptions, ImportOutcome, ImportRow
from routing_service.domain.write_origin import NO_ORIGIN
from routing_service.service.audit import AuditService
from routing_service.service.bindings import BindingService
from routing_service.service.changes import ChangeService
from routing_service.service.imports import ImportService
from routing_service.service.number_lists import NumberListService
from routing_service.service.pools import NumberPoolService
from routing_service.service.routing import RoutingService
from routing_service.service.shadow import Proposal, ShadowDifference, ShadowQuery, ShadowService, ShadowStores
from routing_service.service.tenants import TenantService
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_schema import metadata
from routing_service.wiring import opened_stores
from tests.contract.routing_store.conftest import sql_stores_of
from tests.support.routing_memory.stores import Stores, memory_stores
from tests.support.routing_memory.tables import MemoryDatabase
from tests.unit.routing_service.builders import FakeClock

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases on one store, and the loop that they run in."""

    runner: asyncio.Runner
    forget_everything: Callable[[], Awaitable[None]]
    clock: FakeClock
    bindings: BindingService
    lists: NumberListService
    tenants: TenantService
    routing: RoutingService
    memory: CallMemory
    pools: NumberPoolService
    imports: ImportService
    changes: ChangeService
    audit: AuditService
    shadow: ShadowService

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        # No two things happen at the same time.
        self.clock.advance(timedelta(milliseconds=1))
        return self.runner.run(work)

    async def imported(self, all_of: Sequence[BindingTerms], options: ImportOptions) -> list[ImportOutcome]:
        async def rows() -> AsyncIterator[Sequence[ImportRow]]:
            yield [ImportRow(row, "", terms, b"") for row, terms in enumerate(all_of, 1)]

        found = self.imports.run(options, rows(), NO_ORIGIN)
        return [outcome async for some in found for outcome in some]

    async def replayed(self, proposal: Proposal, query: ShadowQuery) -> list[ShadowDifference]:
        async def queries() -> AsyncIterator[Sequence[ShadowQuery]]:
            yield [query]

        return [each async for some in self.shadow.replay(proposal, queries()) for each in some]

    async def watched(self, tenant_id: str, position: int) -> list[Any]:
        """What somebody hears at once who knows the changes up to here."""
        async for changes in self.changes.watch(tenant_id, position):
            return [*changes]
        return []

    async def empty(self) -> None:
        await self.forget_everything()


@asynccontextmanager
async def opened_services(url: str, runner: asyncio.Runner) -> AsyncIterator[Services]:
    """The use cases on a database of their own, or with an empty URL in memory."""
    clock = FakeClock()
    if not url:
        in_memory = MemoryDatabase()

        async def clear() -> None:
            in_memory.clear()

        yield _services(memory_stores(in_memory, clock), ChangeBell(), clear, clock, runner)
        return
    configured = RoutingServiceSettings(
        database_url=url, migrate_at_start="yes", read_timeout_seconds=20, write_timeout_seconds=20
    )
    async with opened_stores(configured, clock) as opened:

        async def empty() -> None:
            async with opened.database.writers.begin() as connection:
                for table in reversed(metadata.sorted_tables):
                    await connection.execute(sa.delete(table))

        yield _services(sql_stores_of(opened, clock), opened.bell, empty, clock, runner)


def _services(
    stores: Stores,
    bell: ChangeBell,
    forget_everything: Callable[[], Awaitable[None]],
    clock: FakeClock,
    runner: asyncio.Runner,
) -> Services:
    memory = CallMemory(stores.memory, clock)
    ids = BindingIds(clock)
    return Services(
        runner,
        forget_everything,
        clock,
        BindingService(stores.bindings, stores.tenants, clock, ids),
        NumberListService(stores.lists, stores.tenants, clock, ids),
        TenantService(stores.tenants),
        RoutingService(stores.source, stores.history, clock, memory=memory),
        memory,
        NumberPoolService(stores.pools, stores.tenants, clock, ids, timedelta(0)),
        ImportService(stores.importer, stores.tenants, clock, ids),
        ChangeService(stores.changes, stores.tenants, bell),
        AuditService(stores.audit),
        ShadowService(
            ShadowStores(stores.source, stores.history, stores.bindings, stores.tenants, stores.pools), clock
        ),
    )
