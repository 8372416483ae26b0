"""From the log to the queue: reads each partition behind its position and queues what webhooks want of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.clock import Clock, to_microseconds
from event_service.domain import CallRevision
from event_service.ports import CallChange, CallChanges, EventLog, LoggedEvent
from event_service.webhooks.domain import Webhook, WebhookMessage, wanted
from event_service.webhooks.messages import call_message, event_message
from event_service.webhooks.ports import DeliveryFeed, FeedPosition, FeedStep

# Of one partition in one step.
_MAX_EVENTS = 256
_MAX_CHANGES = 256
# Partitions in one transaction.
_MAX_PARTITIONS = 16
# While nobody wants messages, positions need not keep up, only not hold up the log's retention.
_IDLE_SECONDS = 10.0
# How soon it is seen that somebody does, when another replica was told of it.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FeedSources:
    """What is read: the log, and the changes of the records of calls that are over."""

    log: EventLog
    changes: CallChanges


@dataclass(frozen=True, slots=True)
class _Read:
    position: FeedPosition
    to_log_offset: int
    to_change_offset: int
    messages: Sequence[WebhookMessage]


class Feeder:
    """Queues messages, each exactly once: a step's deliveries and its new positions are one transaction.

    Any number of feeders may run over one store. `owner` names this one; `lifetime_us` is how long a message may wait.
    """

    def __init__(self, sources: FeedSources, feed: DeliveryFeed, clock: Clock, *, owner: str, lifetime_us: int) -> None:
        self._sources = sources
        self._feed = feed
        self._clock = clock
        self._owner = owner
        self._lifetime_us = lifetime_us
        self._last_partition = -1
        self._idle_until = 0.0
        self._asleep_until = 0.0

    def rouse(self) -> None:
        """There may be a webhook where there was none."""
        self._asleep_until = 0.0

    async def step(self) -> bool:
        """Queue what there is of some partitions. Whether anything was moved on: then there may be more.

        While there are no webhooks the database is not asked at each commit, but once a second.
        """
        if self._clock.monotonic() < self._asleep_until:
            return False
        now_us = to_microseconds(self._clock.now())
        positions = self._in_turn(await self._feed.positions(self._owner, now_us))
        if not positions:
            return False
        # Before the look: whoever rouses us while it is under way is heard.
        self._asleep_until = self._clock.monotonic() + _LOOK_SECONDS
        if await self._feed.has_subscribers():
            self._asleep_until = 0.0
        else:
            return await self._pass_over(positions, now_us)
        # Webhooks are looked for after events were read: one that was there before an event is seen with it.
        reads = [await self._read(position) for position in positions]
        tenants = {message.tenant_id for read in reads for message in read.messages}
        subscribers = await self._feed.subscribers(tenants)
        steps = [self._step_of(read, subscribers) for read in reads]
        moved = await self._feed.commit(steps, self._owner, now_us, now_us + self._lifetime_us)
        return bool(moved)

    def _in_turn(self, positions: Sequence[FeedPosition]) -> Sequence[FeedPosition]:
        """As many as one step takes, on from where the last one ended: partitions that always have something must not
        keep the others from ever being looked at."""
        last = self._last_partition
        turn = sorted(positions, key=lambda each: (each.partition_id <= last, each.partition_id))[:_MAX_PARTITIONS]
        if turn:
            self._last_partition = turn[-1].partition_id
        return turn

    async def _pass_over(self, positions: Sequence[FeedPosition], now_us: int) -> bool:
        """Move positions on to where the log was before it was found that nobody wants messages."""
        if self._clock.monotonic() < self._idle_until:
            return False
        steps = [FeedStep(each, each.log_head, each.change_head, ()) for each in positions]
        await self._feed.commit(steps, self._owner, now_us, now_us)
        self._idle_until = self._clock.monotonic() + _IDLE_SECONDS
        return False

    def _step_of(self, read: _Read, subscribers: Sequence[Webhook]) -> FeedStep:
        deliveries = [delivery for message in read.messages for delivery in wanted(subscribers, message)]
        return FeedStep(read.position, read.to_log_offset, read.to_change_offset, deliveries)

    async def _read(self, position: FeedPosition) -> _Read:
        """What is behind a position. A call's record comes behind the events that it follows from."""
        # Changes first: then the events that made them are there when events are read.
        changes: Sequence[CallChange] = ()
        if position.change_offset < position.change_head:
            changes = await self._sources.changes.read_changes(
                position.partition_id, position.change_offset, _MAX_CHANGES
            )
        events: Sequence[LoggedEvent] = ()
        if position.log_offset < position.log_head or changes:
            events = await self._sources.log.read(position.partition_id, position.log_offset, _MAX_EVENTS)
        if len(events) == _MAX_EVENTS:
            # There may be more of them; the changes wait until all are queued.
            to_log_offset, to_change_offset, changes = events[-1].log_offset, position.change_offset, ()
        else:
            # What is between the last row and the head as it was before reading has been dropped from the log.
            to_log_offset = max(position.log_head, *(event.log_offset for event in events[-1:]), 0)
            to_change_offset = (
                changes[-1].change_offset
                if len(changes) == _MAX_CHANGES
                else max(position.change_head, *(change.change_offset for change in changes[-1:]), 0)
            )
        messages = [event_message(event) for event in events]
        messages += [call_message(revised) for revised in _latest(changes)]
        return _Read(position, to_log_offset, to_change_offset, messages)


def _latest(changes: Sequence[CallChange]) -> list[CallRevision]:
    """The records that no later change will bring again."""
    return [change.current for change in changes if change.revision == change.current.revision]
