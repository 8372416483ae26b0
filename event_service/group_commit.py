"""Group commit: requests that come in while a transaction runs share the next one.

A commit to disk costs the same for one event and for hundreds, so the log is kept busy with as large a group as has
gathered, and nobody waits for a timer. What waits is bounded; what does not fit is refused at once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from common.errors import AxbridgeError, InvalidArgumentError, ResourceExhaustedError, UnavailableError
from common.logs import get_logger
from common.telemetry import names
from common.telemetry.tracing import Scope, TimedSpan, batch_of, current_scope
from event_service.append_stats import FAILED, STORED, AppendStats
from event_service.domain import CallEvent, LoggedDecision
from event_service.ports import EventLog, EventOutcome, EventStatus

_log = get_logger(__name__)

# What a message takes in memory beside its body and texts.
_MESSAGE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Bounds: of what waits, and of what one transaction takes. A group takes further requests while it has fewer than
    `max_group_items` and `max_group_bytes`; a request is never divided."""

    max_queued_items: int = 20_000
    max_queued_bytes: int = 128 * 1024 * 1024
    max_group_items: int = 512
    # Large bodies in great number would not be written within a statement's time, however often they are sent again.
    max_group_bytes: int = 16 * 1024 * 1024


@dataclass(slots=True)
class _Request:
    events: Sequence[CallEvent]
    decisions: Sequence[LoggedDecision]
    size_bytes: int
    # None: none of its messages is traced.
    scope: Scope | None
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    outcomes: asyncio.Future[Sequence[EventOutcome]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def items(self) -> int:
        return len(self.events) + len(self.decisions)


class GroupCommitter:
    """Appends to a log in groups, in the order of the requests. Use it inside `running()`."""

    def __init__(self, log: EventLog, limits: GroupLimits, database_system: str = "") -> None:
        """`database_system` is the log's database, as OpenTelemetry calls it."""
        self._event_log = log
        self._limits = limits
        self._database_system = database_system
        self._queue: deque[_Request] = deque()
        self._queued_items = 0
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._accepting = False
        self.stats = AppendStats()

    @property
    def queued_items(self) -> int:
        """How many events and decisions wait."""
        return self._queued_items

    @property
    def queued_bytes(self) -> int:
        """What they take in memory, about."""
        return self._queued_bytes

    @property
    def oldest_seconds(self) -> float:
        """How long the first one of them waits; 0: none does."""
        return asyncio.get_running_loop().time() - self._queue[0].since if self._queue else 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take requests while the context is open; at its end what waits is still written."""
        self._accepting = True
        writer = asyncio.create_task(self._write_groups(), name="group commit")
        try:
            yield
        finally:
            self._accepting = False
            self._wake.set()
            await writer

    async def append(
        self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision] = ()
    ) -> Sequence[EventOutcome]:
        """As `EventLog.append`, within a group. Messages must have passed the limits.

        An event that the store can't hold has the outcome INVALID and fails nobody else. A caller that is cancelled
        while the group is written does not stop it. Raises ResourceExhaustedError at once when too much waits: then
        nothing was stored. Decisions on their own get half of the room, so that they never crowd out events.
        """
        if not self._accepting:
            raise UnavailableError("the event service is stopping")
        request = _Request(events, decisions, _size_of(events, decisions), current_scope.get())
        share = 1 if events else 2
        if self._queue and (
            self._queued_items + request.items > self._limits.max_queued_items // share
            or self._queued_bytes + request.size_bytes > self._limits.max_queued_bytes // share
        ):
            self.stats.refused += 1
            raise ResourceExhaustedError("too many events wait to be written", reason="EVENT_QUEUE_FULL")
        self._queue.append(request)
        self._queued_items += request.items
        self._queued_bytes += request.size_bytes
        self._wake.set()
        outcome = FAILED
        try:
            outcomes = await request.outcomes
            outcome = STORED
        finally:
            self.stats.durations.record(asyncio.get_running_loop().time() - request.since, outcome)
        return outcomes

    async def _write_groups(self) -> None:
        while self._accepting or self._queue:
            if group := self._take_group():
                await self._write(group)
            elif self._accepting:
                self._wake.clear()
                await self._wake.wait()

    def _take_group(self) -> list[_Request]:
        group: list[_Request] = []
        items = size_bytes = 0
        limits = self._limits
        while self._queue and items < limits.max_group_items and size_bytes < limits.max_group_bytes:
            request = self._queue.popleft()
            self._queued_items -= request.items
            self._queued_bytes -= request.size_bytes
            # Whoever no longer waits for the answer sends it again.
            if not request.outcomes.cancelled():
                group.append(request)
                items += request.items
                size_bytes += request.size_bytes
        return group

    async def _write(self, group: Sequence[_Request]) -> None:
        events = [event for request in group for event in request.events]
        decisions = [decision for request in group for decision in request.decisions]
        began = asyncio.get_running_loop().time()
        try:
            outcomes = await self._append(events, decisions, [each.scope for each in group if each.scope is not None])
        except UnavailableError as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            # The trouble may be with one of the requests: it must not fail its neighbours.
            if len(group) == 1:
                await self._write_apart(group[0], error)
            else:
                for request in group:
                    await self._write([request])
        else:
            self.stats.group_durations.record(asyncio.get_running_loop().time() - began)
            self.stats.group_sizes.record(len(events) + len(decisions))
            position = 0
            for request in group:
                _succeed(request, outcomes[position : position + len(request.events)])
                position += len(request.events)

    async def _append(
        self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision], scopes: Sequence[Scope]
    ) -> Sequence[EventOutcome]:
        if not scopes:
            return await self._event_log.append(events, decisions)
        system, size = self._database_system, len(events) + len(decisions)
        transaction = batch_of([scope.context for scope in scopes])
        with TimedSpan(
            scopes[0].tracer,
            names.APPEND,
            transaction,
            {"db.system.name": system, "db.operation.batch.size": size},
        ):
            return await self._event_log.append(events, decisions)

    async def _write_apart(self, request: _Request, error: Exception) -> None:
        """Write a request that the log refused message by message, if that is what may help."""
        if not isinstance(error, InvalidArgumentError):
            _fail([request], error)
            return
        outcomes: list[EventOutcome] = []
        try:
            for event in request.events:
                outcomes.append(await self._append_one(event))
            for decision in request.decisions:
                await self._append_decision(decision)
        except Exception as other:  # noqa: BLE001 - handed to those who wait
            _fail([request], other)
        else:
            _succeed(request, outcomes)

    async def _append_one(self, event: CallEvent) -> EventOutcome:
        try:
            return (await self._event_log.append([event], []))[0]
        except InvalidArgumentError as error:
            _log.error("an event can't be stored", error=error.message, tenant_id=event.tenant_id)
            return EventOutcome(EventStatus.INVALID, error=error.message)

    async def _append_decision(self, decision: LoggedDecision) -> None:
        try:
            await self._event_log.append([], [decision])
        except InvalidArgumentError as error:
            _log.error("a decision can't be stored", error=error.message, tenant_id=decision.tenant_id)


def _size_of(events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> int:
    # The parsed fields are about as long as the body that they were read from.
    return _MESSAGE_BYTES * (len(events) + len(decisions)) + 2 * sum(len(event.raw_body) for event in events)


def _succeed(request: _Request, outcomes: Sequence[EventOutcome]) -> None:
    if not request.outcomes.done():
        request.outcomes.set_result(outcomes)


def _fail(group: Sequence[_Request], error: Exception) -> None:
    if not isinstance(error, AxbridgeError):
        _log.error("a group could not be written", exc_info=error)
    for request in group:
        if not request.outcomes.done():
            request.outcomes.set_exception(error)
