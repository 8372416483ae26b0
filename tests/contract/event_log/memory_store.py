"""The log in memory: the smallest thing that keeps the contract, for tests of what stands on it."""

import asyncio
from collections.abc import Sequence
from copy import deepcopy

from common.clock import Clock, to_microseconds
from common.errors import InvalidArgumentError
from event_service.append_plan import KnownCall, named_decisions, named_events, plan_append
from event_service.domain import CallEvent, CallRevision, LoggedDecision, call_key, partition_of
from event_service.ports import CallFilter, CallHistory, CallPosition, EventOutcome, LoggedEvent


class MemoryStore:
    """`EventLog` and `CallReader`. A commit is one assignment; before it the store gives way to others."""

    def __init__(self, clock: Clock, partition_count: int) -> None:
        self._clock = clock
        self._writing = asyncio.Lock()
        self._calls: dict[bytes, KnownCall] = {}
        self._partitions: list[dict[int, LoggedEvent]] = [{} for _ in range(partition_count)]

    async def append(self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> Sequence[EventOutcome]:
        named, answers = named_events(events), named_decisions(decisions)
        keys = [item.key for item in (*named, *answers)]
        if any("\x00" in event.user_data for event in events):
            raise InvalidArgumentError("message", "holds a value that can't be stored")
        async with self._writing:
            known = {key: deepcopy(self._calls.get(key, KnownCall())) for key in keys}
            partitions = {key: partition_of(key, len(self._partitions)) for key in keys}
            heads = {partition: len(self._partitions[partition]) for partition in partitions.values()}
            plan = plan_append(named, answers, known, heads, partitions, to_microseconds(self._clock.now()))
            for key, revised in (*plan.new_records, *plan.changed_records):
                known[key].record = revised
            await asyncio.sleep(0)
            self._calls.update(known)
            for row in (*(row for _, row in plan.inserted), *plan.touched, *plan.replaced):
                self._partitions[row.partition_id][row.log_offset] = row
        return plan.outcomes

    async def read(self, partition_id: int, after_offset: int, limit: int) -> Sequence[LoggedEvent]:
        if not 0 <= partition_id < len(self._partitions):
            raise InvalidArgumentError("partition_id", "no such partition")
        rows = self._partitions[partition_id]
        return [rows[offset] for offset in sorted(rows) if offset > after_offset][:limit]

    async def heads(self) -> Sequence[int]:
        return [max(rows, default=0) for rows in self._partitions]

    async def get(self, tenant_id: str, session_id: str) -> CallRevision | None:
        call = self._calls.get(call_key(tenant_id, session_id))
        return call.record if call is not None else None

    async def list_page(self, which: CallFilter, after: CallPosition | None, limit: int) -> Sequence[CallRevision]:
        records = [(key, call.record) for key, call in self._calls.items() if call.record is not None]
        records.sort(key=lambda item: (item[1].call.started_at_us, item[0]), reverse=True)
        return [
            revised
            for key, revised in records
            if revised.call.tenant_id == which.tenant_id
            and (not which.states or revised.call.state in which.states)
            and (which.started_from_us is None or revised.call.started_at_us >= which.started_from_us)
            and (which.started_before_us is None or revised.call.started_at_us < which.started_before_us)
            and (after is None or (revised.call.started_at_us, key) < (after.started_at_us, after.call_key))
            and (
                not which.number
                or which.number in (revised.call.calling_number, revised.call.access_number, revised.call.called_number)
            )
        ][:limit]

    async def history(self, tenant_id: str, session_id: str) -> CallHistory | None:
        call = self._calls.get(call_key(tenant_id, session_id))
        if call is None:
            return None
        return CallHistory(
            sorted(call.events.values(), key=lambda row: row.log_offset),
            sorted(call.decisions.values(), key=lambda answer: answer.received_at_us),
        )
