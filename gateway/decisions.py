"""Answered queries on their way to the call records: best effort, bounded, what is lost is counted."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from common.errors import AxbridgeError, InvalidArgumentError
from common.logs import get_logger
from gateway.domain import AnsweredQuery
from gateway.ports import DecisionRecorder

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DecisionLimits:
    """How much waits, how much goes out at once, and how long is waited before that and after a failure."""

    capacity: int = 20_000
    max_batch: int = 512
    gather_seconds: float = 0.05
    pause_seconds: float = 1.0


class DecisionBuffer:
    """Buffers answered queries; a port of `gateway.ports.DecisionSink`. When it is full the oldest are dropped."""

    def __init__(
        self,
        recorder: DecisionRecorder,
        limits: DecisionLimits,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._recorder = recorder
        self._limits = limits
        self._sleep = sleep
        self._waiting: deque[AnsweredQuery] = deque()
        self._arrived = asyncio.Event()
        self._is_failing = False
        self.dropped = 0

    def add(self, answered: AnsweredQuery) -> None:
        if len(self._waiting) >= self._limits.capacity:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(answered)
        if not self._arrived.is_set():
            self._arrived.set()

    @property
    def waiting(self) -> int:
        """How many are not recorded yet."""
        return len(self._waiting)

    async def keep_flushing(self) -> None:
        """Record what arrives, for ever, pausing after a failure."""
        while True:
            await self._arrived.wait()
            await self._sleep(self._limits.gather_seconds)
            while self._waiting:
                if not await self.flush_batch():
                    await self._sleep(self._limits.pause_seconds)
            self._arrived.clear()

    async def flush_batch(self) -> bool:
        """Record one batch; whether that went well. A batch that could not be recorded waits again, in its place."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limits.max_batch))]
        try:
            await self._recorder.record(batch)
        except InvalidArgumentError as error:
            # Never accepted, however often it is sent.
            self.dropped += len(batch)
            _log.error("answered queries refused by the event service", count=len(batch), detail=error.message)
        except AxbridgeError as error:
            if not self._is_failing:
                _log.warning("answered queries can't be recorded", waiting=len(batch), detail=error.message)
            self._is_failing = True
            self._put_back(batch)
            return False
        except asyncio.CancelledError:
            self._put_back(batch)
            raise
        except Exception as error:  # noqa: BLE001 - whatever can't be written: the records are not worth the process
            self.dropped += len(batch)
            _log.error("answered queries can't be written", count=len(batch), exc_info=error)
        if self._is_failing:
            _log.info("answered queries are recorded again", dropped=self.dropped)
        self._is_failing = False
        return True

    async def close(self, timeout_seconds: float) -> None:
        """Record what waits as far as that works within the time; the rest is dropped, counted and logged."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._waiting and await self.flush_batch():
                    pass
        except TimeoutError:
            pass
        if self._waiting:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        if self.dropped:
            _log.warning("answered queries were lost to the call records", dropped=self.dropped)

    def _put_back(self, batch: list[AnsweredQuery]) -> None:
        room = self._limits.capacity - len(self._waiting)
        kept = batch[max(0, len(batch) - room) :]
        self.dropped += len(batch) - len(kept)
        self._waiting.extendleft(reversed(kept))


class NoDecisions:
    """A port of `gateway.ports.DecisionSink` for those who want no records of queries."""

    def add(self, answered: AnsweredQuery) -> None:
        """Forget it."""
