"""Who has which partition of a subscription, in SQL."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.sql_database import EventDatabase
from event_service.subscriptions.domain import HeldPlace, Place, Tenure, fair_share
from event_service.subscriptions.ports import ConsumerName, Renewal
from event_service.subscriptions.sql_schema import subscription_consumers, subscription_cursors, subscriptions


class SqlLeaseStore:
    """`LeaseStore` over SQLite or PostgreSQL. Whoever divides partitions holds the subscription's row."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def renew(self, consumer: ConsumerName, renewal: Renewal) -> Tenure | None:
        async def work(connection: AsyncConnection) -> Tenure | None:
            if not await _lock(connection, consumer, renewal.now_us):
                return None
            rank, consumers = await _note_presence(connection, consumer, renewal)
            await _keep(connection, consumer, renewal.places, renewal.now_us)
            cursors = await _cursors(connection, consumer)
            share = fair_share(len(cursors), consumers, rank)
            return await _divide(connection, consumer, renewal, cursors, share)

        return await self._database.write(work)

    async def keep(self, consumer: ConsumerName, places: Sequence[HeldPlace], now_us: int) -> Collection[int]:
        async def work(connection: AsyncConnection) -> Collection[int]:
            return await _keep(connection, consumer, places, now_us)

        return await self._database.write(work)

    async def leave(self, consumer: ConsumerName, places: Sequence[HeldPlace], now_us: int) -> None:
        async def work(connection: AsyncConnection) -> None:
            if not await _lock(connection, consumer, now_us):
                return
            await _keep(connection, consumer, places, now_us)
            mine, consumers = subscription_cursors.c, subscription_consumers.c
            await connection.execute(
                update(subscription_cursors)
                .where(mine.subscription_id == consumer.subscription_id, mine.owner == consumer.owner)
                .values(owner="", leased_until_us=0)
            )
            await connection.execute(
                delete(subscription_consumers).where(
                    consumers.subscription_id == consumer.subscription_id, consumers.owner == consumer.owner
                )
            )

        await self._database.write(work)


async def _lock(connection: AsyncConnection, consumer: ConsumerName, now_us: int) -> bool:
    """Take the subscription's row, and note that it is used. Whether there is one."""
    found = await connection.execute(
        update(subscriptions)
        .where(subscriptions.c.subscription_id == consumer.subscription_id)
        .values(used_at_us=now_us)
    )
    return found.rowcount > 0


async def _note_presence(connection: AsyncConnection, consumer: ConsumerName, renewal: Renewal) -> tuple[int, int]:
    """The consumer's rank, from 0, among those that are there, and their number. Those that came first come first."""
    columns = subscription_consumers.c
    of_subscription = columns.subscription_id == consumer.subscription_id
    await connection.execute(
        delete(subscription_consumers).where(
            of_subscription, columns.expires_at_us <= renewal.now_us, columns.owner != consumer.owner
        )
    )
    expires_at_us = renewal.now_us + renewal.lease_us
    renewed = await connection.execute(
        update(subscription_consumers)
        .where(of_subscription, columns.owner == consumer.owner)
        .values(expires_at_us=expires_at_us)
    )
    if not renewed.rowcount:
        row = {
            "subscription_id": consumer.subscription_id,
            "owner": consumer.owner,
            "label": consumer.label,
            "joined_at_us": renewal.now_us,
            "expires_at_us": expires_at_us,
        }
        await connection.execute(insert(subscription_consumers), [row])
    query = select(columns.owner).where(of_subscription).order_by(columns.joined_at_us, columns.owner)
    owners = list((await connection.execute(query)).scalars())
    return owners.index(consumer.owner), len(owners)


async def _keep(
    connection: AsyncConnection, consumer: ConsumerName, places: Sequence[HeldPlace], now_us: int
) -> Collection[int]:
    columns = subscription_cursors.c
    kept = []
    # Always in the order of the partitions, so that two transactions can't wait for each other.
    for held in sorted(places, key=lambda each: each.partition_id):
        found = await connection.execute(
            update(subscription_cursors)
            .where(
                columns.subscription_id == consumer.subscription_id,
                columns.partition_id == held.partition_id,
                columns.owner == consumer.owner,
                columns.generation == held.generation,
            )
            .values(
                log_offset=held.place.log_offset,
                change_offset=held.place.change_offset,
                acknowledged_at_us=now_us,
            )
        )
        if found.rowcount:
            kept.append(held.partition_id)
    return kept


async def _cursors(connection: AsyncConnection, consumer: ConsumerName) -> Sequence[Any]:
    columns = subscription_cursors.c
    query = (
        select(subscription_cursors)
        .where(columns.subscription_id == consumer.subscription_id)
        .order_by(columns.partition_id)
        .with_for_update()
    )
    return (await connection.execute(query)).all()


async def _divide(
    connection: AsyncConnection, consumer: ConsumerName, renewal: Renewal, cursors: Sequence[Any], share: int
) -> Tenure:
    columns = subscription_cursors.c
    of_subscription = columns.subscription_id == consumer.subscription_id
    until_us = renewal.now_us + renewal.lease_us
    mine = [row for row in cursors if row.owner == consumer.owner]
    released = [row.partition_id for row in mine if row.partition_id in renewal.releasing]
    if released:
        await connection.execute(
            update(subscription_cursors)
            .where(of_subscription, columns.partition_id.in_(released))
            .values(owner="", leased_until_us=0)
        )
    kept = [row for row in mine if row.partition_id not in renewal.releasing]
    free = [row for row in cursors if row.owner != consumer.owner and _is_free(row, renewal.now_us)]
    taken = free[: max(share - len(kept), 0)]
    if kept:
        await connection.execute(
            update(subscription_cursors)
            .where(of_subscription, columns.partition_id.in_([row.partition_id for row in kept]))
            .values(leased_until_us=until_us)
        )
    if taken:
        await connection.execute(
            update(subscription_cursors)
            .where(of_subscription, columns.partition_id.in_([row.partition_id for row in taken]))
            .values(owner=consumer.owner, generation=columns.generation + 1, leased_until_us=until_us)
        )
    held = [_held(row, row.generation) for row in kept] + [_held(row, row.generation + 1) for row in taken]
    return Tenure(sorted(held, key=lambda each: each.partition_id), share)


def _is_free(row: Any, now_us: int) -> bool:
    return not row.owner or row.leased_until_us <= now_us


def _held(row: Any, generation: int) -> HeldPlace:
    return HeldPlace(row.partition_id, generation, Place(row.log_offset, row.change_offset))
