"""TenantStore on a database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock, SystemClock, to_microseconds
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.not_found import no_such_tenant
from routing_service.ports import ChangeTenant
from routing_service.profile_rules import ProfileInUse
from routing_service.refusals import tenant_exists, tenant_has_access_numbers, tenant_has_bindings
from routing_service.sql_schema import bindings, number_list_entries, pool_numbers, requests, tenant_history, tenants
from routing_service.sql_store.claims import is_live
from routing_service.sql_store.database import Database
from routing_service.sql_store.documents import read_ruled_fields
from routing_service.sql_store.journal import AuditRecord, list_entry_document, tenant_document, write_audit
from routing_service.sql_store.list_history import keep_entries_as_history
from routing_service.sql_store.requests import NO_RESULT, ResultForm, once
from routing_service.sql_store.rows import read_list_entry, read_tenant, read_tenant_values, tenant_values
from routing_service.sql_store.sealing import sealed_tenant
from routing_service.sql_store.transaction import Result, Transaction, UncachedWriter, Work, Writer

# The first half of an advisory lock's name; the tenant is the other. Two tenants of one hash wait for each other, which
# harms nobody.
_TURNS = 0x6178_7475  # "axtu"
# What the content hashes of writes of tenants begin with: these requests outlive their tenants.
_OF_TENANTS = "tenant:"
# With a tenant up to 100,000 entries of its lists go, each with an audit entry.
_DELETION_TIMEOUT_SECONDS = 60.0
_ENTRIES_AT_ONCE = 1000
_TENANT_RESULT: ResultForm[Tenant] = ResultForm(
    lambda tenant: orjson.dumps(tenant_values(tenant)).decode(),
    lambda document: read_tenant_values(orjson.loads(document)),
)


async def locked_tenant(connection: AsyncConnection, tenant_id: str, *, for_change: bool) -> Tenant:
    """The tenant, which nobody changes until the end of the transaction. Raises NotFoundError.

    Any number of transactions may hold it when it is not `for_change`. Whoever comes later waits behind those who wait.
    """
    if connection.dialect.name == "postgresql":
        await _take_turn(connection, tenant_id, for_change=for_change)
    statement = sa.select(tenants).where(tenants.c.tenant_id == tenant_id).with_for_update(read=not for_change)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise no_such_tenant(tenant_id)
    return read_tenant(row)


async def _take_turn(connection: AsyncConnection, tenant_id: str, *, for_change: bool) -> None:
    """Queue for the tenant. Rows are no queue: who shares one joins those who share it already, and while bindings are
    written all the time, somebody who wants the tenant for a change would wait for ever."""
    lock = sa.func.pg_advisory_xact_lock if for_change else sa.func.pg_advisory_xact_lock_shared
    await connection.execute(sa.select(lock(_TURNS, sa.func.hashtext(tenant_id))))


class SqlTenantStore:
    """TenantStore on a database."""

    def __init__(self, database: Database, writer: Writer | None = None, clock: Clock | None = None) -> None:
        self._database = database
        self._writer = writer if writer is not None else UncachedWriter(database)
        self._clock = clock if clock is not None else SystemClock()

    async def create(self, tenant: Tenant, origin: WriteOrigin = NO_ORIGIN) -> Tenant:
        async def work(transaction: Transaction) -> Tenant:
            connection = transaction.connection
            taken = sa.select(tenants.c.tenant_id).where(tenants.c.tenant_id == tenant.tenant_id)
            if (await connection.execute(taken)).first() is not None:
                raise tenant_exists(tenant.tenant_id)
            await connection.execute(sa.insert(tenants).values(sealed_tenant(tenant_values(tenant))))
            record = AuditRecord("tenant.create", tenant.tenant_id, after=tenant_document(tenant))
            await write_audit(connection, tenant.tenant_id, origin, self._clock.now(), [record])
            transaction.touch_tenant(tenant.tenant_id)
            return tenant

        await self._database.ensure_keys([tenant.tenant_id])
        return await self._writer.write(tenant.tenant_id, self._once(tenant.tenant_id, origin, work, _TENANT_RESULT))

    async def get(self, tenant_id: str) -> Tenant | None:
        statement = sa.select(tenants).where(tenants.c.tenant_id == tenant_id)

        async def work(connection: AsyncConnection) -> Tenant | None:
            row = (await connection.execute(statement)).one_or_none()
            return None if row is None else read_tenant(row)

        return await self._database.read(work)

    async def list_page(self, after: str, limit: int) -> Sequence[Tenant]:
        statement = sa.select(tenants).where(tenants.c.tenant_id > after).order_by(tenants.c.tenant_id).limit(limit)

        async def work(connection: AsyncConnection) -> Sequence[Tenant]:
            return [read_tenant(row) for row in (await connection.execute(statement)).all()]

        return await self._database.read(work)

    async def update(
        self, tenant_id: str, change: ChangeTenant, *, with_profiles: bool, origin: WriteOrigin = NO_ORIGIN
    ) -> Tenant:
        async def work(transaction: Transaction) -> Tenant:
            connection = transaction.connection
            current = await locked_tenant(connection, tenant_id, for_change=True)
            in_use = await _profiles_in_use(connection, tenant_id, self._clock.now()) if with_profiles else []
            changed = change(current, in_use)
            statement = sa.update(tenants).where(tenants.c.tenant_id == tenant_id)
            await connection.execute(statement.values(sealed_tenant(tenant_values(changed))))
            await self._keep_as_history(connection, current)
            record = AuditRecord("tenant.update", tenant_id, tenant_document(current), tenant_document(changed))
            await write_audit(connection, tenant_id, origin, self._clock.now(), [record])
            transaction.touch_tenant(tenant_id)
            return changed

        return await self._writer.write(tenant_id, self._once(tenant_id, origin, work, _TENANT_RESULT))

    async def delete(self, tenant_id: str, origin: WriteOrigin = NO_ORIGIN) -> None:
        async def work(transaction: Transaction) -> None:
            connection = transaction.connection
            current = await locked_tenant(connection, tenant_id, for_change=True)
            bound = sa.select(bindings.c.binding_id).where(bindings.c.tenant_id == tenant_id).limit(1)
            if (await connection.execute(bound)).first() is not None:
                raise tenant_has_bindings(tenant_id)
            pooled = sa.select(pool_numbers.c.access_number).where(pool_numbers.c.tenant_id == tenant_id).limit(1)
            if (await connection.execute(pooled)).first() is not None:
                raise tenant_has_access_numbers(tenant_id)
            # A tenant of the same id that is made later has asked for nothing yet, but to be made and deleted itself.
            of_tenant = requests.c.tenant_id == tenant_id
            its_own = requests.c.content_hash.startswith(_OF_TENANTS)
            await connection.execute(sa.delete(requests).where(of_tenant, sa.not_(its_own)))
            await self._keep_as_history(connection, current)
            of_lists = number_list_entries.c.tenant_id == tenant_id
            await keep_entries_as_history(connection, self._clock.now(), of_lists)
            await self._audit_lists(connection, tenant_id, origin)
            await connection.execute(sa.delete(tenants).where(tenants.c.tenant_id == tenant_id))
            record = AuditRecord("tenant.delete", tenant_id, tenant_document(current))
            await write_audit(connection, tenant_id, origin, self._clock.now(), [record])
            transaction.touch_tenant(tenant_id)

        once_only = self._once(tenant_id, origin, work, NO_RESULT)
        await self._writer.write(tenant_id, once_only, _DELETION_TIMEOUT_SECONDS)

    def _once(self, tenant_id: str, origin: WriteOrigin, work: Work[Result], form: ResultForm[Result]) -> Work[Result]:
        named = replace(origin, content_hash=f"{_OF_TENANTS}{origin.content_hash}")

        async def once_only(transaction: Transaction) -> Result:
            return await once(transaction, tenant_id, named, self._clock.now(), lambda: work(transaction), form)

        return once_only

    async def _audit_lists(self, connection: AsyncConnection, tenant_id: str, origin: WriteOrigin) -> None:
        """Put down the end of each entry of a tenant's lists: they go with it."""
        columns = number_list_entries.c
        order = (columns.created_at_us, columns.entry_id)
        of_tenant = sa.select(number_list_entries).where(columns.tenant_id == tenant_id).order_by(*order)
        page = of_tenant.limit(_ENTRIES_AT_ONCE)
        while rows := (await connection.execute(page)).all():
            some = [read_list_entry(row) for row in rows]
            records = [AuditRecord("list.delete", each.entry_id, before=list_entry_document(each)) for each in some]
            await write_audit(connection, tenant_id, origin, self._clock.now(), records)
            position = (rows[-1].created_at_us, rows[-1].entry_id)
            page = of_tenant.where(sa.tuple_(*order) > sa.tuple_(*position)).limit(_ENTRIES_AT_ONCE)

    async def _keep_as_history(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Keep a version of a locked tenant. Its versions end one after the other, whatever the clock says."""
        ended = sa.select(sa.func.max(tenant_history.c.ended_at_us))
        last_us = await connection.scalar(ended.where(tenant_history.c.tenant_id == tenant.tenant_id))
        ended_at_us = max(to_microseconds(self._clock.now()), (last_us or 0) + 1)
        version = {**sealed_tenant(tenant_values(tenant)), "ended_at_us": ended_at_us}
        await connection.execute(sa.insert(tenant_history), [version])


async def _profiles_in_use(connection: AsyncConnection, tenant_id: str, now: datetime) -> Sequence[ProfileInUse]:
    # What has expired answers no call. Where it is brought back, it is checked against the defaults of then.
    statement = (
        sa.select(bindings.c.ruled_fields, sa.func.min(bindings.c.binding_id))
        .where(bindings.c.tenant_id == tenant_id, is_live(now))
        .group_by(bindings.c.ruled_fields)
    )
    rows = (await connection.execute(statement)).all()
    return [ProfileInUse(read_ruled_fields(document), binding_id) for document, binding_id in rows]
