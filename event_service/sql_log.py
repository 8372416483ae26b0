"""The event log in SQL."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, and_, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.clock import Clock, to_microseconds
from common.errors import InvalidArgumentError
from common.sql import begin_write
from event_service.append_plan import (
    AppendPlan,
    KnownCall,
    NamedDecision,
    NamedEvent,
    named_decisions,
    named_events,
    plan_append,
)
from event_service.domain import CallEvent, LoggedDecision, partition_of
from event_service.known_calls import KnownCalls
from event_service.limits import MAX_FOLDED_EVENTS
from event_service.ports import EventOutcome, LoggedEvent
from event_service.sql_changes import record_changes
from event_service.sql_errors import translated_errors
from event_service.sql_heads import LockedHeads, lock_heads, padded, write_heads
from event_service.sql_many import insert_many, update_many
from event_service.sql_rows import (
    CALL_COLUMNS,
    DECISION_COLUMNS,
    EVENT_COLUMNS,
    FOLD_COLUMNS,
    US_PER_DAY,
    call_revision,
    call_row,
    copy_row,
    count_row,
    decision_copy_row,
    decision_row,
    event_row,
    logged_decision,
    logged_event,
)
from event_service.sql_schema import calls, decisions, events, partition_heads

# Of calls that are remembered (known_calls): those of the last minutes, at thousands of events per second.
MAX_KNOWN_BYTES = 64 * 1024 * 1024


class SqlEventLog:
    """`EventLog` over SQLite or PostgreSQL. `partition_count` is the number that the log was created with."""

    def __init__(self, engine: AsyncEngine, clock: Clock, partition_count: int) -> None:
        self._engine = engine
        self._clock = clock
        self._partition_count = partition_count
        self._known = KnownCalls(MAX_KNOWN_BYTES)

    @property
    def known_calls(self) -> KnownCalls:
        """What is remembered of the calls that were written last."""
        return self._known

    async def append(self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> Sequence[EventOutcome]:
        named = named_events(events)
        answers = named_decisions(decisions)
        partitions = {key: partition_of(key, self._partition_count) for key in _keys(named, answers)}
        if not partitions:
            return ()
        with translated_errors():
            async with begin_write(self._engine) as connection:
                heads = await lock_heads(connection, set(partitions.values()))
                known = self._known.take(heads.write_counts, partitions)
                known |= await load_calls(connection, named, [key for key in partitions if key not in known])
                now_us = to_microseconds(self._clock.now())
                plan = plan_append(named, answers, known, heads.offsets, partitions, now_us)
                await write_plan(connection, plan, partitions, heads, now_us)
            for key, revised in (*plan.new_records, *plan.changed_records):
                known[key].record = revised
            self._known.keep(heads.write_counts, partitions, known, heads.write_step)
        return plan.outcomes

    async def read(self, partition_id: int, after_offset: int, limit: int) -> Sequence[LoggedEvent]:
        if not 0 <= partition_id < self._partition_count:
            raise InvalidArgumentError("partition_id", f"the log has partitions 0 to {self._partition_count - 1}")
        query = (
            select(*EVENT_COLUMNS)
            .where(events.c.partition_id == partition_id, events.c.log_offset > after_offset)
            .order_by(events.c.log_offset)
            .limit(limit)
        )
        with translated_errors():
            async with self._engine.connect() as connection:
                return [logged_event(row) for row in await connection.execute(query)]

    async def heads(self) -> Sequence[int]:
        query = select(partition_heads.c.last_offset).order_by(partition_heads.c.partition_id)
        with translated_errors():
            async with self._engine.connect() as connection:
                return list((await connection.execute(query)).scalars())


def _keys(batch: Sequence[NamedEvent], answers: Sequence[NamedDecision]) -> Collection[bytes]:
    return dict.fromkeys([*(event.key for event in batch), *(answer.key for answer in answers)])


async def create_partitions(engine: AsyncEngine, partition_count: int) -> int:
    """Give a new log its partitions; the number of partitions that the log really has, since it never changes."""
    with translated_errors():
        async with begin_write(engine) as connection:
            if connection.dialect.name == "postgresql":
                # Two replicas may start at once; the second one finds the first one's partitions.
                await connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
            existing = (await connection.execute(select(func.count()).select_from(partition_heads))).scalar_one()
            if existing:
                return int(existing)
            rows = [{"partition_id": number, "last_offset": 0} for number in range(partition_count)]
            await connection.execute(insert(partition_heads), rows)
            return partition_count


_CREATION_LOCK = 0x6178_6272  # "axbr"


async def load_calls(
    connection: AsyncConnection, batch: Sequence[NamedEvent], keys: Sequence[bytes], *, is_record_trusted: bool = True
) -> dict[bytes, KnownCall]:
    """What is stored of the calls. Their partitions must be locked.

    With `is_record_trusted` a call without a record has nothing in the log either, and its record counts its events.
    """
    if not keys:
        return {}
    known = {key: KnownCall() for key in keys}
    query: Select[Any] = select(calls.c.first_day, *CALL_COLUMNS).where(calls.c.call_key.in_(padded(keys)))
    # What is left on earlier days is of a call that was dropped and has begun anew.
    first_days = dict.fromkeys(keys, 0)
    for first_day, *row in await connection.execute(query):
        first_days[row[0]] = first_day
        call = known[row[0]]
        call.record = call_revision(row)
        call.event_count = call.record.call.event_count
    stored = [key for key, call in known.items() if call.record is not None or not is_record_trusted]
    if not is_record_trusted:
        query = select(events.c.call_key, events.c.stored_day, func.count()).where(events.c.call_key.in_(padded(keys)))
        for call in known.values():
            call.event_count = 0
        for key, day, count in await connection.execute(query.group_by(events.c.call_key, events.c.stored_day)):
            known[key].event_count += count if day >= first_days[key] else 0
    if not stored:
        return known
    first_day = min(first_days[key] for key in stored)
    some_calls = and_(events.c.call_key.in_(padded(stored)), events.c.stored_day >= first_day)
    query = select(events.c.stored_day, *FOLD_COLUMNS).where(some_calls, events.c.call_ordinal < MAX_FOLDED_EVENTS)
    for day, *row in await connection.execute(query):
        if day >= first_days[row[0]]:
            known[row[0]].events[row[1]] = logged_event(row)
    query = select(decisions.c.stored_day, *DECISION_COLUMNS).where(
        decisions.c.call_key.in_(padded(stored)), decisions.c.stored_day >= first_day
    )
    for day, *row in await connection.execute(query):
        if day >= first_days[row[0]]:
            known[row[0]].decisions[row[1]] = logged_decision(row)
    # Of calls with very many events the rest is looked up by name, for repetitions only.
    rest = [(e.key, e.hash) for e in batch if e.key in known and known[e.key].event_count > MAX_FOLDED_EVENTS]
    if rest:
        names = tuple_(events.c.call_key, events.c.event_hash)
        query = select(events.c.stored_day, *FOLD_COLUMNS).where(
            names.in_(rest), events.c.stored_day >= first_day, events.c.call_ordinal >= MAX_FOLDED_EVENTS
        )
        for day, *row in await connection.execute(query):
            if day >= first_days[row[0]]:
                known[row[0]].events[row[1]] = logged_event(row)
    return known


async def write_plan(
    connection: AsyncConnection,
    plan: AppendPlan,
    partitions: Mapping[bytes, int],
    heads: LockedHeads,
    now_us: int,
    first_days: Mapping[bytes, int] = MappingProxyType({}),
) -> None:
    """Write what the plan says, and the heads, which are moved on.

    `first_days` of new records' calls whose first message was stored before.
    """
    heads.offsets.update(plan.heads)
    await insert_many(connection, events, [event_row(named, logged) for named, logged in plan.inserted])
    await update_many(connection, events, [count_row(logged) for logged in plan.touched])
    await update_many(connection, events, [copy_row(logged) for logged in plan.replaced])
    answers = [decision_row(decision, partitions[decision.key], now_us) for decision in plan.inserted_decisions]
    await insert_many(connection, decisions, answers)
    await update_many(connection, decisions, [decision_copy_row(decision) for decision in plan.changed_decisions])
    new = [
        {
            "call_key": key,
            "partition_id": partitions[key],
            "first_day": first_days.get(key, now_us // US_PER_DAY),
            **call_row(revised, now_us),
        }
        for key, revised in plan.new_records
    ]
    await insert_many(connection, calls, new)
    changed = [{"at_call_key": key, **call_row(call, now_us)} for key, call in plan.changed_records]
    await update_many(connection, calls, changed)
    await record_changes(connection, [*plan.new_records, *plan.changed_records], partitions, heads, now_us)
    await write_heads(connection, heads)
