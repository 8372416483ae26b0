"""NumberPoolStore on a database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock, from_microseconds, to_microseconds
from routing_service.domain.binding import Binding
from routing_service.domain.number_pool import AccessNumber, AllocationWish, NumberUse
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin
from routing_service.pool_ports import AccessNumberFilter, MakeAccessNumbers, MakeOnNumber, NameNumbers, NameParties
from routing_service.refusals import access_number_exists, access_number_has_bindings, check_all_in_pools
from routing_service.sql_schema import bindings, pool_number_history, pool_numbers
from routing_service.sql_store import claims
from routing_service.sql_store.allocation import Allocator
from routing_service.sql_store.database import Database
from routing_service.sql_store.journal import AuditRecord, access_number_document, write_audit
from routing_service.sql_store.json_lists import element, json_list, list_elements
from routing_service.sql_store.pool_uses import uses_in_pool
from routing_service.sql_store.releases import others_released_us, own_last_ends
from routing_service.sql_store.requests import NO_RESULT, ResultForm, once
from routing_service.sql_store.tenant_store import locked_tenant
from routing_service.sql_store.transaction import Transaction, UncachedWriter, Writer

_LAST_ENDS = ("last_expiry_us", "last_past_end_us", "last_past_expiry_us")


class SqlNumberPoolStore:
    """NumberPoolStore on a database. Writers lock the tenant (shared), then the access numbers, as bindings' do."""

    def __init__(self, database: Database, clock: Clock, writer: Writer | None = None) -> None:
        self._database = database
        self._clock = clock
        self._writer = writer if writer is not None else UncachedWriter(database)
        self._allocator = Allocator(self._writer, clock)

    async def add(
        self, tenant_id: str, make: MakeAccessNumbers, at: datetime, origin: WriteOrigin = NO_ORIGIN
    ) -> Sequence[AccessNumber]:
        async def work(transaction: Transaction) -> Sequence[AccessNumber]:
            connection = transaction.connection
            added = make(await locked_tenant(connection, tenant_id, for_change=False))
            numbers = [each.number for each in added]
            await claims.lock_access_numbers(connection, tenant_id, numbers)
            fields = {number: f"access_numbers[{place}].number" for place, number in enumerate(numbers)}
            previous_owners, foreign = await claims.take_numbers(connection, tenant_id, fields, at)
            for error in foreign.values():
                raise error
            for owner, given in previous_owners.items():
                transaction.touch_access_numbers(owner, given)
            transaction.touch_access_numbers(tenant_id, numbers)
            pooled = sa.select(pool_numbers.c.access_number).where(pool_numbers.c.access_number.in_(numbers))
            taken = (await connection.execute(pooled.limit(1))).scalar_one_or_none()
            if taken is not None:
                raise access_number_exists(fields[taken])
            released = await others_released_us(connection, tenant_id, numbers)
            rows = [_columns(each, at, released.get(each.number, 0)) for each in added]
            await connection.execute(sa.insert(pool_numbers), rows)
            records = [AuditRecord("pool.add", each.number, after=access_number_document(each)) for each in added]
            await write_audit(connection, tenant_id, origin, at, records)
            return added

        return await self._writer.write(
            tenant_id,
            lambda transaction: once(
                transaction, tenant_id, origin, self._clock.now(), lambda: work(transaction), _NUMBERS_RESULT
            ),
        )

    async def list_page(
        self, which: AccessNumberFilter, after: str, limit: int, now: datetime
    ) -> Sequence[AccessNumber]:
        page = page_statement(which, after, limit, now)

        async def work(connection: AsyncConnection) -> Sequence[AccessNumber]:
            return [_read(row) for row in (await connection.execute(page)).all()]

        return await self._database.read(work)

    async def remove(self, tenant_id: str, name: NameNumbers, at: datetime, origin: WriteOrigin = NO_ORIGIN) -> None:
        async def work(transaction: Transaction) -> None:
            connection = transaction.connection
            numbers = name(await locked_tenant(connection, tenant_id, for_change=False))
            rows = sa.select(pool_numbers).where(
                pool_numbers.c.tenant_id == tenant_id, pool_numbers.c.access_number.in_(numbers)
            )
            # What another tenant has, or nobody, is not locked: locking makes it the tenant's.
            check_all_in_pools(numbers, [row.access_number for row in (await connection.execute(rows)).all()])
            await claims.lock_access_numbers(connection, tenant_id, numbers)
            found = (await connection.execute(rows)).all()
            check_all_in_pools(numbers, [row.access_number for row in found])
            bound = (
                sa.select(bindings.c.access_number, sa.func.count().label("live"))
                .where(bindings.c.tenant_id == tenant_id, bindings.c.access_number.in_(numbers), claims.is_live(at))
                .group_by(bindings.c.access_number)
                .order_by(bindings.c.access_number)
            )
            in_use = (await connection.execute(bound.limit(1))).first()
            if in_use is not None:
                raise access_number_has_bindings(in_use.access_number, in_use.live)
            of_tenant = (pool_numbers.c.tenant_id == tenant_id, pool_numbers.c.access_number.in_(numbers))
            await connection.execute(
                sa.insert(pool_number_history),
                [
                    {
                        "tenant_id": tenant_id,
                        "access_number": row.access_number,
                        "added_at_us": row.added_at_us,
                        "ended_at_us": max(to_microseconds(at), row.added_at_us),
                    }
                    for row in found
                ],
            )
            await connection.execute(sa.delete(pool_numbers).where(*of_tenant))
            await claims.give_back_access_numbers(connection, tenant_id, numbers)
            transaction.touch_access_numbers(tenant_id, numbers)
            records = [
                AuditRecord("pool.remove", row.access_number, before=access_number_document(_read(row)))
                for row in found
            ]
            await write_audit(connection, tenant_id, origin, at, records)

        await self._writer.write(
            tenant_id,
            lambda transaction: once(
                transaction, tenant_id, origin, self._clock.now(), lambda: work(transaction), NO_RESULT
            ),
        )

    async def allocate(
        self, tenant_id: str, wish: AllocationWish, name: NameParties, make: MakeOnNumber, origin: WriteOrigin
    ) -> Binding:
        return await self._allocator.allocate(tenant_id, wish, name, make, origin)

    async def uses(self, tenant_id: str, pool: str, since: datetime, limit: int) -> tuple[int, Sequence[NumberUse]]:
        return await uses_in_pool(self._database, tenant_id, pool, since, limit)

    async def pooled(self, tenant_id: str, numbers: Collection[str]) -> Collection[str]:
        listed = list_elements("numbers", self._database.is_sqlite)
        number = element(listed.c.value, 0, self._database.is_sqlite)
        found = (
            sa.select(pool_numbers.c.access_number)
            .select_from(listed.join(pool_numbers, pool_numbers.c.access_number == number))
            .where(pool_numbers.c.tenant_id == tenant_id)
        )
        wanted = {"numbers": json_list([[each] for each in numbers])}

        async def work(connection: AsyncConnection) -> Collection[str]:
            return set((await connection.execute(found, wanted)).scalars())

        return await self._database.read(work)


def page_statement(which: AccessNumberFilter, after: str, limit: int, now: datetime) -> "sa.Select[Any]":
    live = sa.select(sa.func.count()).where(
        bindings.c.tenant_id == pool_numbers.c.tenant_id,
        bindings.c.access_number == pool_numbers.c.access_number,
        claims.is_live(now),
    )
    ends = [end.label(name) for end, name in zip(own_last_ends(now), _LAST_ENDS, strict=True)]
    statement = sa.select(pool_numbers, live.scalar_subquery().label("live_bindings"), *ends).where(
        pool_numbers.c.tenant_id == which.tenant_id, pool_numbers.c.access_number > after
    )
    if which.pool is not None:
        statement = statement.where(pool_numbers.c.pool == which.pool)
    if which.city_code is not None:
        statement = statement.where(pool_numbers.c.city_code == which.city_code)
    return statement.order_by(pool_numbers.c.access_number).limit(limit)


def _columns(number: AccessNumber, at: datetime, others_released_us: int) -> dict[str, Any]:
    return {
        "access_number": number.number,
        "tenant_id": number.tenant_id,
        "pool": number.pool,
        "city_code": number.city_code,
        "capabilities": "".join(f",{each}" for each in number.capabilities) + ("," if number.capabilities else ""),
        "added_at_us": to_microseconds(at),
        "others_released_at_us": others_released_us,
    }


def _read(row: Any) -> AccessNumber:
    ends = (getattr(row, name, None) for name in _LAST_ENDS)
    released = [moment for moment in ends if moment is not None]
    return AccessNumber(
        number=row.access_number,
        tenant_id=row.tenant_id,
        pool=row.pool,
        city_code=row.city_code,
        capabilities=tuple(each for each in row.capabilities.split(",") if each),
        live_bindings=getattr(row, "live_bindings", 0),
        last_released_at=from_microseconds(max(released)) if released else None,
    )


def _from_document(document: dict[str, Any]) -> AccessNumber:
    return AccessNumber(**{**document, "capabilities": tuple(document["capabilities"])})


_NUMBERS_RESULT: ResultForm[Sequence[AccessNumber]] = ResultForm(
    lambda numbers: orjson.dumps([access_number_document(each) for each in numbers]).decode(),
    lambda document: [_from_document(each) for each in orjson.loads(document)],
)
