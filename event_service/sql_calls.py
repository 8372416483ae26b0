"""Reading call records from SQL."""

from sqlalchemy import ColumnElement, Select, and_, or_, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.domain import CallRevision, call_key
from event_service.ports import CallFilter, CallHistory, CallPosition
from event_service.sql_database import EventDatabase
from event_service.sql_rows import (
    CALL_COLUMNS,
    DECISION_COLUMNS,
    EVENT_COLUMNS,
    call_revision,
    logged_decision,
    logged_event,
)
from event_service.sql_schema import calls, decisions, events

# More than a call that is no attack ever has: one reply holds all of a call's events.
MAX_HISTORY_EVENTS = 1000


class SqlCallReader:
    """`CallReader` over SQLite or PostgreSQL."""

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    async def get(self, tenant_id: str, session_id: str) -> CallRevision | None:
        query = select(*CALL_COLUMNS).where(calls.c.call_key == call_key(tenant_id, session_id))

        async def work(connection: AsyncConnection) -> CallRevision | None:
            row = (await connection.execute(query)).first()
            return None if row is None else call_revision(row)

        return await self._database.read(work)

    async def list_page(self, which: CallFilter, after: CallPosition | None, limit: int) -> list[CallRevision]:
        conditions = _conditions(which, after)
        if not which.number:
            query: Select[tuple[object, ...]] = _newest(select(*CALL_COLUMNS).where(*conditions), limit)
        else:
            # One walk along each number's index, not one through all of the tenant's calls.
            roles = (calls.c.calling_number, calls.c.access_number, calls.c.called_number)
            walks = [
                select(_newest(select(calls.c.call_key).where(*conditions, role == which.number), limit).subquery())
                for role in roles
            ]
            query = _newest(select(*CALL_COLUMNS).where(calls.c.call_key.in_(select(union(*walks).subquery()))), limit)

        async def work(connection: AsyncConnection) -> list[CallRevision]:
            return [call_revision(row) for row in await connection.execute(query)]

        return await self._database.read(work)

    async def history(self, tenant_id: str, session_id: str) -> CallHistory | None:
        key = call_key(tenant_id, session_id)

        async def work(connection: AsyncConnection) -> CallHistory | None:
            first_day = await connection.scalar(select(calls.c.first_day).where(calls.c.call_key == key))
            if first_day is None:
                return None
            event_rows = await connection.execute(
                select(*EVENT_COLUMNS)
                .where(events.c.call_key == key, events.c.stored_day >= first_day)
                .order_by(events.c.log_offset)
                .limit(MAX_HISTORY_EVENTS)
            )
            decision_rows = await connection.execute(
                select(*DECISION_COLUMNS)
                .where(decisions.c.call_key == key, decisions.c.stored_day >= first_day)
                .order_by(decisions.c.received_at_us, decisions.c.decision_hash)
            )
            return CallHistory(
                [logged_event(row) for row in event_rows],
                [logged_decision(row) for row in decision_rows],
            )

        return await self._database.read(work)


def _newest(query: Select[tuple[object, ...]], limit: int) -> Select[tuple[object, ...]]:
    return query.order_by(calls.c.started_at_us.desc(), calls.c.call_key.desc()).limit(limit)


def _conditions(which: CallFilter, after: CallPosition | None) -> list[ColumnElement[bool]]:
    conditions = [calls.c.tenant_id == which.tenant_id]
    if which.states:
        conditions.append(calls.c.state.in_(sorted(state.value for state in which.states)))
    if which.started_from_us is not None:
        conditions.append(calls.c.started_at_us >= which.started_from_us)
    if which.started_before_us is not None:
        conditions.append(calls.c.started_at_us < which.started_before_us)
    if after is not None:
        conditions.append(calls.c.started_at_us <= after.started_at_us)
        conditions.append(
            or_(
                calls.c.started_at_us < after.started_at_us,
                and_(calls.c.started_at_us == after.started_at_us, calls.c.call_key < after.call_key),
            )
        )
    return conditions
