"""The subscriptions in SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.auth.grants import ANONYMOUS
from common.errors import AlreadyExistsError, FailedPreconditionError, ResourceExhaustedError
from event_service.privacy.audit import SERVICE_ACTOR
from event_service.privacy.sql_audit import write_audit
from event_service.sql_database import EventDatabase
from event_service.sql_schema import partition_heads
from event_service.subscriptions import audit_records
from event_service.subscriptions.domain import (
    Place,
    StartPosition,
    Subscription,
    SubscriptionContent,
    SubscriptionFilter,
    SubscriptionStatus,
)
from event_service.subscriptions.sql_places import places_of
from event_service.subscriptions.sql_schema import subscription_consumers, subscription_cursors, subscriptions


class SqlSubscriptionStore:
    """`SubscriptionStore` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def create(
        self, subscription: Subscription, start: StartPosition, most: int, actor: str = ANONYMOUS
    ) -> Subscription:
        async def work(connection: AsyncConnection) -> Subscription:
            columns = subscriptions.c
            existing = await _find(connection, subscription.tenant_id, subscription.name)
            if existing is not None:
                return _same(existing, subscription)
            query = select(func.count()).where(columns.tenant_id == subscription.tenant_id)
            if (await connection.execute(query)).scalar_one() >= most:
                raise ResourceExhaustedError(f"a tenant has at most {most} subscriptions", reason="TOO_MANY")
            await connection.execute(insert(subscriptions), [_row(subscription)])
            places = await places_of(connection, start)
            heads = (await connection.execute(select(partition_heads))).all()
            cursors = [
                _cursor_row(
                    subscription.subscription_id,
                    head.partition_id,
                    places.get(head.partition_id, Place(head.last_offset, head.last_change)),
                )
                for head in heads
            ]
            await connection.execute(insert(subscription_cursors), cursors)
            record = audit_records.created(subscription, start)
            entry = record.entry(subscription.tenant_id, subscription.created_at_us, actor)
            await write_audit(connection, [entry])
            return subscription

        try:
            return await self._database.write(work)
        except IntegrityError:
            # Another replica made it at the same moment.
            return await self._database.write(work)

    async def find(self, tenant_id: str, name: str) -> Subscription | None:
        async def work(connection: AsyncConnection) -> Subscription | None:
            return await _find(connection, tenant_id, name)

        return await self._database.read(work)

    async def list_page(self, tenant_id: str, after_name: str, limit: int) -> Sequence[SubscriptionStatus]:
        columns, cursors, heads = subscriptions.c, subscription_cursors.c, partition_heads.c

        async def work(connection: AsyncConnection) -> Sequence[SubscriptionStatus]:
            query = (
                select(subscriptions)
                .where(columns.tenant_id == tenant_id, columns.name > after_name)
                .order_by(columns.name)
                .limit(limit)
            )
            found = [_subscription(row) for row in await connection.execute(query)]
            before = (heads.last_offset - cursors.log_offset) + (heads.last_change - cursors.change_offset)
            sums = (
                select(cursors.subscription_id, func.sum(before), func.max(cursors.acknowledged_at_us))
                .join(partition_heads, heads.partition_id == cursors.partition_id)
                .where(cursors.subscription_id.in_([each.subscription_id for each in found]))
                .group_by(cursors.subscription_id)
            )
            states: Mapping[str, Any] = {row[0]: row for row in await connection.execute(sums)} if found else {}
            return [
                SubscriptionStatus(each, states[each.subscription_id][2], int(states[each.subscription_id][1]))
                for each in found
            ]

        return await self._database.read(work)

    async def delete(self, tenant_id: str, name: str, now_us: int, actor: str = ANONYMOUS) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            found = await _find(connection, tenant_id, name, lock=True)
            if found is not None:
                await _remove(connection, [found.subscription_id])
                await write_audit(connection, [audit_records.deleted(found).entry(tenant_id, now_us, actor)])
            return found is not None

        return await self._database.write(work)

    async def seek(self, tenant_id: str, name: str, to: StartPosition, now_us: int, actor: str = ANONYMOUS) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            found = await _find(connection, tenant_id, name, lock=True)
            if found is None:
                return False
            consumers, cursors = subscription_consumers.c, subscription_cursors.c
            query = select(func.count()).where(
                consumers.subscription_id == found.subscription_id, consumers.expires_at_us > now_us
            )
            if (await connection.execute(query)).scalar_one():
                raise FailedPreconditionError(
                    "the subscription has a consumer: stop it first", reason="SUBSCRIPTION_IN_USE"
                )
            mine = select(cursors.partition_id, cursors.log_offset, cursors.change_offset).where(
                cursors.subscription_id == found.subscription_id
            )
            before = {row[0]: Place(row[1], row[2]) for row in await connection.execute(mine)}
            places = await places_of(connection, to)
            for number, place in sorted(places.items()):
                await connection.execute(
                    update(subscription_cursors)
                    .where(cursors.subscription_id == found.subscription_id, cursors.partition_id == number)
                    .values(
                        log_offset=place.log_offset,
                        change_offset=place.change_offset,
                        # Whatever an old consumer still acknowledges does not move it.
                        owner="",
                        generation=cursors.generation + 1,
                    )
                )
            record = audit_records.moved(found, before, places, to)
            await write_audit(connection, [record.entry(tenant_id, now_us, actor)])
            return True

        return await self._database.write(work)

    async def purge_unused(self, now_us: int) -> int:
        columns = subscriptions.c
        unused = (columns.remove_unused_us > 0) & (columns.used_at_us + columns.remove_unused_us < now_us)

        async def look(connection: AsyncConnection) -> list[str]:
            return list((await connection.execute(select(columns.subscription_id).where(unused))).scalars())

        async def work(connection: AsyncConnection) -> int:
            query = select(subscriptions).where(unused).order_by(columns.subscription_id).with_for_update()
            found = [_subscription(row) for row in await connection.execute(query)]
            await _remove(connection, [each.subscription_id for each in found])
            entries = [audit_records.deleted(each).entry(each.tenant_id, now_us, SERVICE_ACTOR) for each in found]
            await write_audit(connection, entries)
            return len(found)

        return await self._database.write(work) if await self._database.read(look) else 0


async def _find(connection: AsyncConnection, tenant_id: str, name: str, *, lock: bool = False) -> Subscription | None:
    query = select(subscriptions).where(subscriptions.c.tenant_id == tenant_id, subscriptions.c.name == name)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _subscription(row)


async def _remove(connection: AsyncConnection, subscription_ids: Sequence[str]) -> None:
    for table in (subscription_consumers, subscription_cursors, subscriptions):
        await connection.execute(delete(table).where(table.c.subscription_id.in_(subscription_ids)))


def _same(existing: Subscription, wanted: Subscription) -> Subscription:
    if existing.filter != wanted.filter:
        raise AlreadyExistsError(
            "the name is taken by a subscription with another filter", reason="SUBSCRIPTION_EXISTS"
        )
    return existing


def _row(subscription: Subscription) -> dict[str, Any]:
    which = subscription.filter
    return {
        "subscription_id": subscription.subscription_id,
        "tenant_id": subscription.tenant_id,
        "name": subscription.name,
        "content": which.content.value,
        "codes": orjson.dumps(sorted(which.codes)).decode(),
        "numbers": orjson.dumps(sorted(which.numbers)).decode(),
        "created_at_us": subscription.created_at_us,
        "remove_unused_us": subscription.remove_unused_us,
        "used_at_us": subscription.created_at_us,
    }


def _subscription(row: Any) -> Subscription:
    return Subscription(
        subscription_id=row.subscription_id,
        tenant_id=row.tenant_id,
        name=row.name,
        filter=SubscriptionFilter(
            SubscriptionContent(row.content),
            frozenset(orjson.loads(row.codes)),
            frozenset(orjson.loads(row.numbers)),
        ),
        created_at_us=row.created_at_us,
        remove_unused_us=row.remove_unused_us,
    )


def _cursor_row(subscription_id: str, partition_id: int, place: Place) -> dict[str, Any]:
    return {
        "subscription_id": subscription_id,
        "partition_id": partition_id,
        "log_offset": place.log_offset,
        "change_offset": place.change_offset,
        "owner": "",
        "generation": 0,
        "leased_until_us": 0,
    }
