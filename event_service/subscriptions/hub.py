"""What the streams of one process share: the heads of the log, the news of a commit, and the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from common.clock import Clock, to_microseconds
from common.errors import UnavailableError
from event_service.domain import CallEvent, LoggedDecision
from event_service.pace import Pace, keep_stepping
from event_service.ports import EventLog, EventOutcome, LoggedEvent
from event_service.subscriptions.domain import Heads, Place
from event_service.subscriptions.ports import SubscriptionStore, Tail

PURGE_SECONDS = 5.0


class Follower(Protocol):
    """Somebody who waits for news."""

    def wake(self) -> None:
        """There may be something to do."""
        ...

    def drain(self) -> None:
        """The service stops: send nothing more, and come to an end."""
        ...


class Hub:
    """Looks at the log's heads once for all streams: after each commit of this process, and every `poll_seconds`."""

    def __init__(self, tail: Tail, store: SubscriptionStore, clock: Clock, poll_seconds: float) -> None:
        self._tail = tail
        self._store = store
        self._clock = clock
        self._pace = Pace(poll_seconds)
        self._followers: set[Follower] = set()
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._is_draining = False
        self._heads: Heads = {}

    def head(self, partition_id: int) -> Place:
        """The place behind the last row of the partition, as it was a moment ago."""
        return self._heads.get(partition_id, Place())

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._followers)

    def wake(self) -> None:
        """Something was committed."""
        if self._followers:
            self._pace.wake()

    @contextmanager
    def following(self, follower: Follower) -> Iterator[None]:
        """Tell the follower what is new while the context is open. Raises UnavailableError when the service stops."""
        if self._is_draining:
            raise UnavailableError("the event service is stopping", reason="SERVICE_STOPPING")
        self._followers.add(follower)
        self._nobody.clear()
        self._pace.wake()
        try:
            yield
        finally:
            self._followers.discard(follower)
            if not self._followers:
                self._nobody.set()

    async def drain(self) -> None:
        """Let every stream come to its end, and take no new ones. Streams are ended by themselves within seconds."""
        self._is_draining = True
        for follower in tuple(self._followers):
            follower.drain()
        await self._nobody.wait()

    async def look(self) -> bool:
        """Read the heads, when anybody wants to know, and wake all when they moved."""
        if not self._followers:
            return False
        heads = await self._tail.heads()
        if heads != self._heads:
            self._heads = heads
            for follower in tuple(self._followers):
                follower.wake()
        return False

    async def purge(self) -> bool:
        """Remove subscriptions that nobody uses."""
        await self._store.purge_unused(to_microseconds(self._clock.now()))
        return False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look while the context is open."""
        purging = Pace(PURGE_SECONDS)
        tasks = [
            asyncio.create_task(keep_stepping("look at the log for subscriptions", self.look, self._pace)),
            asyncio.create_task(keep_stepping("remove unused subscriptions", self.purge, purging)),
        ]
        try:
            yield
        finally:
            self._pace.stop()
            purging.stop()
            await asyncio.gather(*tasks)


class AnnouncedLog:
    """An `EventLog` that tells when something was committed."""

    def __init__(self, log: EventLog, committed: Callable[[], None]) -> None:
        self._inner = log
        self._committed = committed

    async def append(self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> Sequence[EventOutcome]:
        outcomes = await self._inner.append(events, decisions)
        self._committed()
        return outcomes

    async def read(self, partition_id: int, after_offset: int, limit: int) -> Sequence[LoggedEvent]:
        return await self._inner.read(partition_id, after_offset, limit)

    async def heads(self) -> Sequence[int]:
        return await self._inner.heads()
