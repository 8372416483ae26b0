"""Walking through call records in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.domain import CallRevision, CallState
from event_service.ports import CallPeriod, CallPosition, CallTally
from event_service.sql_database import EventDatabase
from event_service.sql_rows import CALL_COLUMNS, call_revision
from event_service.sql_schema import calls


class SqlCallReports:
    """`CallReports` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def walk(self, which: CallPeriod, after: CallPosition | None, limit: int) -> Sequence[CallRevision]:
        conditions = _conditions(which)
        if after is not None:
            # The first condition follows from the second one, and lets the index be walked from there.
            conditions.append(calls.c.started_at_us >= after.started_at_us)
            conditions.append(
                or_(
                    calls.c.started_at_us > after.started_at_us,
                    and_(calls.c.started_at_us == after.started_at_us, calls.c.call_key > after.call_key),
                )
            )
        query = select(*CALL_COLUMNS).where(*conditions).order_by(calls.c.started_at_us, calls.c.call_key).limit(limit)

        async def work(connection: AsyncConnection) -> Sequence[CallRevision]:
            return [call_revision(row) for row in await connection.execute(query)]

        return await self._database.read(work)

    async def first_start(self, which: CallPeriod) -> int | None:
        query = select(func.min(calls.c.started_at_us)).where(*_conditions(which))

        async def work(connection: AsyncConnection) -> int | None:
            first: int | None = (await connection.execute(query)).scalar_one()
            return first

        return await self._database.read(work)

    async def tally(self, which: CallPeriod) -> Sequence[CallTally]:
        query = (
            select(calls.c.state, calls.c.anomalies, func.count())
            .where(*_conditions(which))
            .group_by(calls.c.state, calls.c.anomalies)
        )

        async def work(connection: AsyncConnection) -> Sequence[CallTally]:
            rows = await connection.execute(query)
            return [CallTally(CallState(row[0]), orjson.loads(row[1]), row[2]) for row in rows]

        return await self._database.read(work)

    async def count_states(self, tenant_id: str, states: Collection[CallState]) -> Mapping[CallState, int]:
        query = state_counts(tenant_id, states)

        async def work(connection: AsyncConnection) -> Mapping[CallState, int]:
            return {CallState(row[0]): row[1] for row in await connection.execute(query)}

        return await self._database.read(work)


def state_counts(tenant_id: str, states: Collection[CallState]) -> Select[Any]:
    """How many calls are in each of these states, which few calls are in."""
    # Not the bare column: SQLite would walk through all of the tenant's calls rather than along these states'.
    whose = calls.c.tenant_id.concat("")
    return (
        select(calls.c.state, func.count())
        .where(whose == tenant_id, calls.c.state.in_(sorted(state.value for state in states)))
        .group_by(calls.c.state)
    )


def _conditions(which: CallPeriod) -> list[ColumnElement[bool]]:
    conditions = [calls.c.tenant_id == which.tenant_id]
    if which.started_from_us is not None:
        conditions.append(calls.c.started_at_us >= which.started_from_us)
    if which.started_before_us is not None:
        conditions.append(calls.c.started_at_us < which.started_before_us)
    return conditions
