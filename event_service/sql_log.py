"""The event log in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Select, Update, bindparam, func, insert, select, tuple_, update
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
from event_service.sql_many import execute_many
from event_service.sql_rows import (
    CALL_COLUMNS,
    DECISION_COLUMNS,
    EVENT_COLUMNS,
    FOLD_COLUMNS,
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

# What an UPDATE sets are the names of its parameters; those of the row that it finds begin with `at_`.
_AT_EVENT = (events.c.partition_id == bindparam("at_partition")) & (events.c.log_offset == bindparam("at_offset"))
_INSERT_EVENT, _INSERT_DECISION, _INSERT_CALL = insert(events), insert(decisions), insert(calls)
_UPDATE_EVENT = update(events).where(_AT_EVENT)
_UPDATE_DECISION = update(decisions).where(
    decisions.c.call_key == bindparam("at_key"), decisions.c.decision_hash == bindparam("at_hash")
)
_UPDATE_CALL = update(calls).where(calls.c.call_key == bindparam("at_key"))
_UPDATE_HEAD = update(partition_heads).where(partition_heads.c.partition_id == bindparam("at_partition"))


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
                heads, write_counts = await lock_heads(connection, set(partitions.values()))
                known = self._known.take(write_counts, partitions)
                known |= await load_calls(connection, named, [key for key in partitions if key not in known])
                now_us = to_microseconds(self._clock.now())
                plan = plan_append(named, answers, known, heads, partitions, now_us)
                await write_plan(connection, plan, partitions, now_us)
                await write_heads(connection, {**heads, **plan.heads}, write_counts)
            for key, revised in (*plan.new_records, *plan.changed_records):
                known[key].record = revised
            self._known.keep(write_counts, partitions, known)
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


async def lock_heads(connection: AsyncConnection, partitions: Collection[int]) -> tuple[dict[int, int], dict[int, int]]:
    """The last offsets and the write counts of these partitions, which nobody else can write to until the transaction
    ends. Always in the order of the partitions, so that two writers can't wait for each other."""
    heads = partition_heads.c
    query = (
        select(heads.partition_id, heads.last_offset, heads.write_count)
        .where(heads.partition_id.in_(_padded(sorted(partitions))))
        .order_by(heads.partition_id)
        .with_for_update()
    )
    rows = (await connection.execute(query)).all()
    return {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}


async def write_heads(connection: AsyncConnection, heads: Mapping[int, int], write_counts: Mapping[int, int]) -> None:
    rows = [
        {"at_partition": partition, "last_offset": heads[partition], "write_count": count + 1}
        for partition, count in write_counts.items()
    ]
    await execute_many(connection, _UPDATE_HEAD, rows)


async def load_calls(
    connection: AsyncConnection, batch: Sequence[NamedEvent], keys: Sequence[bytes]
) -> dict[bytes, KnownCall]:
    """What is stored of the calls. Their partitions must be locked."""
    if not keys:
        return {}
    known = {key: KnownCall() for key in keys}
    query: Select[Any] = select(*CALL_COLUMNS).where(calls.c.call_key.in_(_padded(keys)))
    for row in await connection.execute(query):
        call = known[row[0]]
        call.record = call_revision(row)
        call.event_count = call.record.call.event_count
    stored = [key for key, call in known.items() if call.record is not None]
    if not stored:
        return known
    some_calls = events.c.call_key.in_(_padded(stored))
    query = select(*FOLD_COLUMNS).where(some_calls, events.c.call_ordinal < MAX_FOLDED_EVENTS)
    for row in await connection.execute(query):
        known[row[0]].events[row[1]] = logged_event(row)
    query = select(*DECISION_COLUMNS).where(decisions.c.call_key.in_(_padded(stored)))
    for row in await connection.execute(query):
        known[row[0]].decisions[row[1]] = logged_decision(row)
    # Of calls with very many events the rest is looked up by name, for repetitions only.
    rest = [(e.key, e.hash) for e in batch if e.key in known and known[e.key].event_count > MAX_FOLDED_EVENTS]
    if rest:
        names = tuple_(events.c.call_key, events.c.event_hash)
        query = select(*FOLD_COLUMNS).where(names.in_(rest), events.c.call_ordinal >= MAX_FOLDED_EVENTS)
        for row in await connection.execute(query):
            known[row[0]].events[row[1]] = logged_event(row)
    return known


async def write_plan(
    connection: AsyncConnection, plan: AppendPlan, partitions: Mapping[bytes, int], now_us: int
) -> None:
    steps: tuple[tuple[Insert | Update, list[dict[str, Any]]], ...] = (
        (_INSERT_EVENT, [event_row(named, logged) for named, logged in plan.inserted]),
        (_UPDATE_EVENT, [count_row(logged) for logged in plan.touched]),
        (_UPDATE_EVENT, [copy_row(logged) for logged in plan.replaced]),
        (_INSERT_DECISION, [decision_row(d, partitions[d.key], now_us) for d in plan.inserted_decisions]),
        (_UPDATE_DECISION, [decision_copy_row(decision) for decision in plan.changed_decisions]),
        (
            _INSERT_CALL,
            [{"call_key": key, "partition_id": partitions[key], **call_row(c, now_us)} for key, c in plan.new_records],
        ),
        (_UPDATE_CALL, [{"at_key": key, **call_row(call, now_us)} for key, call in plan.changed_records]),
    )
    for statement, rows in steps:
        await execute_many(connection, statement, rows)
    await record_changes(connection, [*plan.new_records, *plan.changed_records], partitions, now_us)


def _padded(values: Sequence[Any]) -> Sequence[Any]:
    """The values, the last one repeated up to a power of two: so that a list of any length needs one of a dozen
    statements, and prepared statements are found again."""
    length = 1 << (len(values) - 1).bit_length()
    return [*values, *([values[-1]] * (length - len(values)))]
