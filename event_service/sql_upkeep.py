"""Keeping call records right in SQL."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, case, func, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from common.auth.grants import ANONYMOUS
from common.clock import Clock, to_microseconds
from event_service.append_plan import AppendPlan, plan_refold
from event_service.domain import CallState, call_key, partition_of
from event_service.ports import CallName, LogSlice, Patience
from event_service.privacy.audit import AuditRecord
from event_service.privacy.sql_audit import write_audit
from event_service.sql_database import EventDatabase
from event_service.sql_heads import lock_heads
from event_service.sql_log import load_calls, write_plan
from event_service.sql_rows import US_PER_DAY
from event_service.sql_schema import call_changes, calls, decisions, events

MICROSECONDS = 1_000_000
_UNFINISHED = tuple(state.value for state in CallState if not state.is_finished)


class SqlCallUpkeep:
    """`CallUpkeep` over SQLite or PostgreSQL. `partition_count` is the number that the log was created with.

    `keep_days` is how long calls are kept (0: for ever): what is older and has no record was dropped, and is not lost.
    """

    def __init__(self, database: EventDatabase, clock: Clock, partition_count: int, keep_days: int = 0) -> None:
        self._database = database
        self._keep_days = keep_days
        self._clock = clock
        self._partition_count = partition_count

    async def overdue(self, now_us: int, patience: Patience, limit: int) -> Sequence[CallName]:
        query = select(calls.c.tenant_id, calls.c.session_id).where(*_overdue(now_us, patience)).limit(limit)

        async def work(connection: AsyncConnection) -> Sequence[CallName]:
            return [CallName(row[0], row[1]) for row in await connection.execute(query)]

        return await self._database.read(work)

    async def unrecorded(self, tenant_id: str, after_key: bytes, limit: int) -> LogSlice:
        slices = [
            select(
                select(table.c.call_key)
                .where(table.c.call_key > after_key)
                .distinct()
                .order_by(table.c.call_key)
                .limit(limit)
                .subquery()
            )
            for table in (events, decisions)
        ]
        looked_at = union(*slices).subquery()
        today = to_microseconds(self._clock.now()) // US_PER_DAY
        kept_since = today - self._keep_days if self._keep_days else 0
        following = select(looked_at.c.call_key).order_by(looked_at.c.call_key).limit(limit)

        async def work(connection: AsyncConnection) -> LogSlice:
            keys = list((await connection.execute(following)).scalars())
            if not keys:
                return LogSlice((), None)
            recorded = set(
                (await connection.execute(select(calls.c.call_key).where(calls.c.call_key.in_(keys)))).scalars()
            )
            missing = [key for key in keys if key not in recorded]
            found: dict[CallName, None] = {}
            for table in (events, decisions) if missing else ():
                names = select(table.c.tenant_id, table.c.session_id).where(
                    table.c.call_key.in_(missing),
                    table.c.tenant_id == tenant_id,
                    table.c.stored_day >= kept_since,
                )
                found.update((CallName(row[0], row[1]), None) for row in await connection.execute(names.distinct()))
            return LogSlice(list(found), keys[-1])

        return await self._database.read(work)

    async def close(self, names: Sequence[CallName], now_us: int, patience: Patience) -> int:
        return len(await self._refold(names, closing=(now_us, patience), dry_run=False))

    async def refold(self, names: Sequence[CallName], *, dry_run: bool, actor: str = ANONYMOUS) -> Sequence[CallName]:
        return await self._refold(names, closing=None, dry_run=dry_run, actor=actor)

    async def _refold(
        self, names: Sequence[CallName], *, closing: tuple[int, Patience] | None, dry_run: bool, actor: str = ""
    ) -> Sequence[CallName]:
        by_key = {call_key(name.tenant_id, name.session_id): name for name in names}
        if not by_key:
            return []
        partitions = {key: partition_of(key, self._partition_count) for key in by_key}

        async def work(connection: AsyncConnection) -> Sequence[CallName]:
            heads = await lock_heads(connection, set(partitions.values()))
            keys = list(by_key)
            if closing is not None:
                # An event may have come since they were looked for.
                overdue = select(calls.c.call_key).where(calls.c.call_key.in_(keys), *_overdue(*closing))
                keys = list((await connection.execute(overdue)).scalars())
            known = await load_calls(connection, (), keys, is_record_trusted=False)
            folded = plan_refold(known, closing[0] if closing is not None else None)
            if folded and not dry_run:
                missing = [key for key, _ in folded if known[key].record is None]
                told = await _last_told(connection, missing)
                new = [(key, replace(each, revision=told.get(key, 0) + 1)) for key, each in folded if key in missing]
                changed = [(key, each) for key, each in folded if key not in missing]
                plan = AppendPlan((), (), (), (), (), (), new, changed, {})
                now_us = to_microseconds(self._clock.now())
                await write_plan(connection, plan, partitions, heads, now_us, await _first_days(connection, missing))
                if actor:
                    # Calls without an end are given up by the clock, and by nobody.
                    await _note_rebuilt(connection, [by_key[key] for key, _ in folded], now_us, actor)
            return [by_key[key] for key, _ in folded]

        # Also to compare: a record and its events belong together only while nobody appends.
        return await self._database.write(work)


async def _note_rebuilt(connection: AsyncConnection, names: Sequence[CallName], now_us: int, actor: str) -> None:
    sessions: dict[str, list[str]] = {}
    for name in names:
        sessions.setdefault(name.tenant_id, []).append(name.session_id)
    records = {each: AuditRecord("calls.rebuild", "", after={"session_ids": sessions[each]}) for each in sessions}
    await write_audit(connection, [record.entry(each, now_us, actor) for each, record in records.items()])


def _overdue(now_us: int, patience: Patience) -> tuple[ColumnElement[bool], ...]:
    talk_seconds = case(
        (calls.c.max_duration_seconds > 0, calls.c.max_duration_seconds), else_=patience.default_talk_seconds
    )
    # From its last known step on: a call that was answered late may talk its full time after that.
    last_step_us = case((calls.c.answered_at_us.is_not(None), calls.c.answered_at_us), else_=calls.c.started_at_us)
    return (
        calls.c.state.in_(_UNFINISHED),
        calls.c.started_at_us < now_us - patience.margin_seconds * MICROSECONDS,
        last_step_us + (talk_seconds + patience.margin_seconds) * MICROSECONDS < now_us,
    )


async def _first_days(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[bytes, int]:
    """The first days on which something of these calls was stored."""
    first: dict[bytes, int] = {}
    for table in (events, decisions) if keys else ():
        query = select(table.c.call_key, func.min(table.c.stored_day)).where(table.c.call_key.in_(keys))
        for key, day in await connection.execute(query.group_by(table.c.call_key)):
            first[key] = min(day, first.get(key, day))
    return first


async def _last_told(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[bytes, int]:
    """The last revisions of these calls that whoever follows the changes was told: a record that was lost goes on from
    there."""
    if not keys:
        return {}
    c = call_changes.c
    query = select(c.call_key, func.max(c.revision)).where(c.call_key.in_(keys)).group_by(c.call_key)
    return {row[0]: row[1] for row in await connection.execute(query)}
