"""BindingStore on a database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock, SystemClock, from_microseconds, to_microseconds
from routing_service.domain.binding import Binding
from routing_service.domain.journal import ChangeType
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.not_found import no_such_binding
from routing_service.ports import BindingFilter, BindingPosition, BindingState, ChangeBinding, CheckBinding, MakeBinding
from routing_service.sql_schema import binding_history, bindings
from routing_service.sql_store import claims
from routing_service.sql_store.database import Database
from routing_service.sql_store.display_policy import check_display_numbers
from routing_service.sql_store.journal import BindingWrite, write_binding_changes
from routing_service.sql_store.requests import BINDING_RESULT, NO_RESULT, ResultForm, once
from routing_service.sql_store.rows import BINDING_COLUMNS, binding_values, read_binding
from routing_service.sql_store.sealing import sealed_binding, stored_number
from routing_service.sql_store.tenant_store import locked_tenant
from routing_service.sql_store.transaction import Result, Transaction, UncachedWriter, Work, Writer


class SqlBindingStore:
    """BindingStore on a database.

    Writers lock the tenant (shared), then the binding, then its access numbers, always in this order.
    """

    def __init__(self, database: Database, writer: Writer | None = None, clock: Clock | None = None) -> None:
        self._database = database
        self._writer = writer if writer is not None else UncachedWriter(database)
        self._clock = clock if clock is not None else SystemClock()

    async def create(self, tenant_id: str, make: MakeBinding, origin: WriteOrigin = NO_ORIGIN) -> Binding:
        async def work(transaction: Transaction) -> Binding:
            binding = make(await locked_tenant(transaction.connection, tenant_id, for_change=False))
            await store_new_binding(transaction, binding)
            created = BindingWrite(ChangeType.CREATED, binding)
            await write_binding_changes(transaction.connection, tenant_id, origin, binding.created_at, [created])
            return binding

        return await self._writer.write(tenant_id, self._once(tenant_id, origin, work, BINDING_RESULT))

    async def get(self, tenant_id: str, binding_id: str) -> Binding | None:
        statement = sa.select(bindings).where(_is(tenant_id, binding_id))

        async def work(connection: AsyncConnection) -> Binding | None:
            row = (await connection.execute(statement)).one_or_none()
            return None if row is None else read_binding(row)

        return await self._database.read(work)

    async def list_page(self, which: BindingFilter, after: BindingPosition | None, limit: int) -> Sequence[Binding]:
        async def work(connection: AsyncConnection) -> Sequence[Binding]:
            page = page_statement(which, after, limit)
            return [read_binding(row) for row in (await connection.execute(page)).all()]

        return await self._database.read(work)

    async def position_after(
        self, which: BindingFilter, after: BindingPosition | None, count: int
    ) -> BindingPosition | None:
        order = (bindings.c.created_at_us, bindings.c.binding_id)
        statement = sa.select(*order).where(bindings.c.tenant_id == which.tenant_id)
        if which.access_number:
            statement = statement.where(bindings.c.access_number == which.access_number)
        statement = _between(statement, after, None).order_by(*order).offset(count - 1).limit(1)

        async def work(connection: AsyncConnection) -> BindingPosition | None:
            row = (await connection.execute(statement)).one_or_none()
            return None if row is None else BindingPosition(from_microseconds(row.created_at_us), row.binding_id)

        return await self._database.read(work)

    async def update(
        self, tenant_id: str, binding_id: str, change: ChangeBinding, origin: WriteOrigin = NO_ORIGIN
    ) -> Binding:
        async def work(transaction: Transaction) -> Binding:
            connection = transaction.connection
            tenant = await locked_tenant(connection, tenant_id, for_change=False)
            current = await _locked_binding(connection, tenant_id, binding_id)
            changed = change(tenant, current)
            numbers = {current.terms.access_number, changed.terms.access_number}
            await claims.lock_access_numbers(connection, tenant_id, numbers)
            transaction.touch_access_numbers(tenant_id, numbers)
            if not changed.terms.has_expired(changed.updated_at):
                previous_owner = await claims.take_access_number(connection, changed, changed.updated_at)
                transaction.touch_access_numbers(previous_owner, [changed.terms.access_number])
            await check_display_numbers(connection, changed, current.terms)
            await _keep_as_history(connection, binding_id, changed.updated_at)
            statement = sa.update(bindings).where(_is(tenant_id, binding_id))
            await connection.execute(statement.values(sealed_binding(binding_values(changed))))
            await claims.claim(connection, changed, changed.updated_at)
            await claims.give_back_access_numbers(connection, tenant_id, numbers)
            updated = BindingWrite(ChangeType.UPDATED, changed, current)
            await write_binding_changes(connection, tenant_id, origin, changed.updated_at, [updated])
            return changed

        return await self._writer.write(tenant_id, self._once(tenant_id, origin, work, BINDING_RESULT))

    async def delete(
        self, tenant_id: str, binding_id: str, check: CheckBinding, at: datetime, origin: WriteOrigin = NO_ORIGIN
    ) -> None:
        async def work(transaction: Transaction) -> None:
            connection = transaction.connection
            await locked_tenant(connection, tenant_id, for_change=False)
            current = await _locked_binding(connection, tenant_id, binding_id)
            check(current)
            number = current.terms.access_number
            await claims.lock_access_numbers(connection, tenant_id, [number])
            ended_at = max(at, current.updated_at)
            await _keep_as_history(connection, binding_id, ended_at)
            await claims.release(connection, binding_id)
            await connection.execute(sa.delete(bindings).where(_is(tenant_id, binding_id)))
            await claims.give_back_access_numbers(connection, tenant_id, [number])
            transaction.touch_access_numbers(tenant_id, [number])
            deleted = BindingWrite(ChangeType.DELETED, current)
            await write_binding_changes(connection, tenant_id, origin, ended_at, [deleted])

        await self._writer.write(tenant_id, self._once(tenant_id, origin, work, NO_RESULT))

    def _once(self, tenant_id: str, origin: WriteOrigin, work: Work[Result], form: ResultForm[Result]) -> Work[Result]:
        async def once_only(transaction: Transaction) -> Result:
            return await once(transaction, tenant_id, origin, self._clock.now(), lambda: work(transaction), form)

        return once_only


async def store_new_binding(transaction: Transaction, binding: Binding) -> None:
    """Insert a binding of a locked tenant, with its claims. Raises what `BindingStore.create` raises."""
    connection = transaction.connection
    numbers = [binding.terms.access_number]
    await claims.lock_access_numbers(connection, binding.tenant_id, numbers)
    previous_owner = await claims.take_access_number(connection, binding, binding.created_at)
    await check_display_numbers(connection, binding)
    await connection.execute(sa.insert(bindings).values(sealed_binding(binding_values(binding))))
    await claims.claim(connection, binding, binding.created_at)
    transaction.touch_access_numbers(binding.tenant_id, numbers)
    transaction.touch_access_numbers(previous_owner, numbers)


def page_statement(which: BindingFilter, after: BindingPosition | None, limit: int) -> "sa.Select[Any]":
    """The statement of `SqlBindingStore.list_page`."""
    if which.number:
        # The ids are the tenant's already. Naming it here too would tempt SQLite to read all of its bindings in order.
        statement = sa.select(bindings).where(bindings.c.binding_id.in_(_ids_with(which.tenant_id, which.number)))
    else:
        statement = sa.select(bindings).where(bindings.c.tenant_id == which.tenant_id)
    if which.state is not None:
        statement = statement.where(_in_state(which.state, to_microseconds(which.now)))
    if which.access_number:
        statement = statement.where(bindings.c.access_number == which.access_number)
    order = (bindings.c.created_at_us, bindings.c.binding_id)
    return _between(statement, after, which.until).order_by(*order).limit(limit)


def _between(
    statement: "sa.Select[Any]", after: BindingPosition | None, until: BindingPosition | None
) -> "sa.Select[Any]":
    place = sa.tuple_(bindings.c.created_at_us, bindings.c.binding_id)
    if after is not None:
        statement = statement.where(place > sa.tuple_(to_microseconds(after.created_at), after.binding_id))
    if until is not None:
        statement = statement.where(place <= sa.tuple_(to_microseconds(until.created_at), until.binding_id))
    return statement


def _ids_with(tenant_id: str, number: str) -> "sa.CompoundSelect[Any]":
    stored = stored_number(tenant_id, number)
    # One look into each index. As conditions joined by OR, SQLite would rather read all of the tenant's bindings. The
    # indexes leave out the empty numbers, and a database uses them only when told that an empty one is not wanted.
    return sa.union_all(
        *(
            sa.select(bindings.c.binding_id).where(bindings.c.tenant_id == tenant_id, column == stored, column != "")
            for column in (bindings.c.a_number, bindings.c.b_number, bindings.c.callback_number)
        )
    )


def _in_state(state: BindingState, now_us: int) -> Any:
    has_begun = sa.or_(bindings.c.not_before_us.is_(None), bindings.c.not_before_us <= now_us)
    has_expired = sa.and_(bindings.c.expires_at_us.is_not(None), bindings.c.expires_at_us <= now_us)
    match state:
        case BindingState.IN_FORCE:
            return sa.and_(has_begun, sa.not_(has_expired))
        case BindingState.PENDING:
            return sa.and_(sa.not_(has_begun), sa.not_(has_expired))
        case BindingState.EXPIRED:
            return has_expired


def _is(tenant_id: str, binding_id: str) -> Any:
    return sa.and_(bindings.c.binding_id == binding_id, bindings.c.tenant_id == tenant_id)


async def _locked_binding(connection: AsyncConnection, tenant_id: str, binding_id: str) -> Binding:
    statement = sa.select(bindings).where(_is(tenant_id, binding_id)).with_for_update()
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise no_such_binding(binding_id)
    return read_binding(row)


async def _keep_as_history(connection: AsyncConnection, binding_id: str, ended_at: datetime) -> None:
    names = [column.name for column in BINDING_COLUMNS]
    version = sa.select(*BINDING_COLUMNS, sa.literal(to_microseconds(ended_at), sa.BigInteger)).where(
        bindings.c.binding_id == binding_id
    )
    await connection.execute(sa.insert(binding_history).from_select([*names, "ended_at_us"], version))
