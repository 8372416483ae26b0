"""Keeping call records right in SQL."""

from collections.abc import Sequence

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import Clock, to_microseconds
from common.sql import begin_write
from event_service.append_plan import AppendPlan, plan_refold
from event_service.domain import CallState, call_key, partition_of
from event_service.ports import CallName, Patience
from event_service.sql_errors import translated_errors
from event_service.sql_heads import lock_heads
from event_service.sql_log import load_calls, write_plan
from event_service.sql_schema import calls

MICROSECONDS = 1_000_000
_UNFINISHED = tuple(state.value for state in CallState if not state.is_finished)


class SqlCallUpkeep:
    """`CallUpkeep` over SQLite or PostgreSQL. `partition_count` is the number that the log was created with."""

    def __init__(self, engine: AsyncEngine, clock: Clock, partition_count: int) -> None:
        self._engine = engine
        self._clock = clock
        self._partition_count = partition_count

    async def overdue(self, now_us: int, patience: Patience, limit: int) -> Sequence[CallName]:
        talk_seconds = case(
            (calls.c.max_duration_seconds > 0, calls.c.max_duration_seconds), else_=patience.default_talk_seconds
        )
        # From its last known step on: a call that was answered late may talk its full time after that.
        last_step_us = case((calls.c.answered_at_us.is_not(None), calls.c.answered_at_us), else_=calls.c.started_at_us)
        query = (
            select(calls.c.tenant_id, calls.c.session_id)
            .where(
                calls.c.state.in_(_UNFINISHED),
                calls.c.started_at_us < now_us - patience.margin_seconds * MICROSECONDS,
                last_step_us + (talk_seconds + patience.margin_seconds) * MICROSECONDS < now_us,
            )
            .limit(limit)
        )
        with translated_errors():
            async with self._engine.connect() as connection:
                return [CallName(row[0], row[1]) for row in await connection.execute(query)]

    async def close(self, names: Sequence[CallName], closed_at_us: int) -> int:
        return len(await self._refold(names, closed_at_us=closed_at_us, dry_run=False))

    async def refold(self, names: Sequence[CallName], *, dry_run: bool) -> Sequence[CallName]:
        return await self._refold(names, closed_at_us=None, dry_run=dry_run)

    async def _refold(
        self, names: Sequence[CallName], *, closed_at_us: int | None, dry_run: bool
    ) -> Sequence[CallName]:
        by_key = {call_key(name.tenant_id, name.session_id): name for name in names}
        if not by_key:
            return []
        partitions = {key: partition_of(key, self._partition_count) for key in by_key}
        with translated_errors():
            # Also to compare: a record and its events belong together only while nobody appends.
            async with begin_write(self._engine) as connection:
                heads = await lock_heads(connection, set(partitions.values()))
                known = await load_calls(connection, (), list(by_key))
                changed = plan_refold(known, closed_at_us)
                if changed and not dry_run:
                    plan = AppendPlan((), (), (), (), (), (), (), changed, {})
                    await write_plan(connection, plan, partitions, heads, to_microseconds(self._clock.now()))
        return [by_key[key] for key, _ in changed]
