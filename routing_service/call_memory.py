"""What is remembered of earlier calls: in which order a session got a group, who was called last, who called an owner.

Nothing of it is needed to answer a call, but for calling back. So it is noted after the answer, kept here for a moment,
and stored many calls at a time: this process knows of a call at once, another replica one write after FLUSH_SECONDS.
What can't be stored is dropped, and counted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from common.clock import Clock, to_microseconds
from common.errors import AbortedError, AxbridgeError
from common.logs import get_logger
from routing_service.domain.call_memory import ORDER_LIFE, GroupCall, OwnerCall, WantedRecollection
from routing_service.domain.decision import NOTHING_RECALLED, Recollection
from routing_service.ports import CallMemoryStore

_log = get_logger(__name__)

FLUSH_SECONDS = 0.2
MOST_NOTED = 20_000
MOST_IN_ONE_WRITE = 1000

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class CallMemoryStats:
    """Calls that were noted, stored, and dropped because they could not be."""

    noted: int = 0
    stored: int = 0
    dropped: int = 0


class NoStore:
    """CallMemoryStore that forgets everything."""

    async def recall(
        self, wanted: Collection[WantedRecollection], now: datetime
    ) -> Mapping[WantedRecollection, Recollection]:
        return {}

    async def store(self, groups: Sequence[GroupCall], owners: Sequence[OwnerCall], now: datetime) -> None:
        return None


class CallMemory:
    """Recalls from the store, and from what was noted here since."""

    def __init__(self, store: CallMemoryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: list[GroupCall | OwnerCall] = []
        # What this process noted lately, the oldest first.
        self._orders: OrderedDict[tuple[str, str, str], tuple[tuple[str, ...], float]] = OrderedDict()
        self._routed_at_us: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._last_callers: OrderedDict[tuple[str, str, str], tuple[str, int]] = OrderedDict()
        self._last_us = 0
        self._wake = asyncio.Event()
        self.stats = CallMemoryStats()

    @property
    def waiting(self) -> int:
        """How many calls are not stored yet."""
        return len(self._waiting)

    async def recall(self, wanted: Collection[WantedRecollection]) -> Mapping[WantedRecollection, Recollection]:
        """What the store remembers, an entry for each. Raises UnavailableError."""
        if not wanted:
            return {}
        stored = await self._store.recall(wanted, self._clock.now())
        return {each: stored.get(each, NOTHING_RECALLED) for each in wanted}

    def latest(self, wanted: WantedRecollection, stored: Recollection) -> Recollection:
        """What is remembered now: `stored`, as it was recalled, with what was noted here."""
        order, noted_at = self._orders.get((wanted.tenant_id, wanted.binding_id, wanted.session_key), ((), 0.0))
        if order and self._clock.monotonic() - noted_at < ORDER_LIFE.total_seconds():
            stored = replace(stored, order=stored.order or order)
        if wanted.members:
            routed_at_us = dict(stored.last_routed_at_us)
            for number in wanted.members:
                noted_us = self._routed_at_us.get((wanted.tenant_id, number), 0)
                if noted_us > routed_at_us.get(number, 0):
                    routed_at_us[number] = noted_us
            stored = replace(stored, last_routed_at_us=routed_at_us)
        if wanted.owner_number:
            owner = (wanted.binding_id, wanted.access_number, wanted.owner_number)
            caller, called_at_us = self._last_callers.get(owner, ("", 0))
            if called_at_us > stored.last_called_at_us:
                stored = replace(stored, last_caller=caller, last_called_at_us=called_at_us)
        return stored

    def note(self, call: GroupCall | OwnerCall) -> None:
        """Remember a call that is being answered. Neither waits nor raises."""
        self.stats.noted += 1
        # No two calls at the same time: of two members one was called later.
        self._last_us = at_us = max(to_microseconds(self._clock.now()), self._last_us + 1)
        if isinstance(call, GroupCall):
            if call.session_key:
                session = (call.tenant_id, call.binding_id, call.session_key)
                _put(self._orders, session, (call.order, self._clock.monotonic()))
            _put(self._routed_at_us, (call.tenant_id, call.order[0]), at_us)
        else:
            owner = (call.binding_id, call.access_number, call.owner_number)
            _put(self._last_callers, owner, (call.calling_number, at_us))
        if len(self._waiting) >= MOST_NOTED:
            self.stats.dropped += 1
            return
        self._waiting.append(replace(call, at_us=at_us))
        self._wake.set()

    async def run(self, sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep) -> None:
        """Store what is noted, until cancelled."""
        while True:
            await self._wake.wait()
            await sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Store what was noted until now. Never raises an error of ours."""
        self._wake.clear()
        calls, self._waiting = self._waiting, []
        for start in range(0, len(calls), MOST_IN_ONE_WRITE):
            await self._store_some(calls[start : start + MOST_IN_ONE_WRITE])

    async def _store_some(self, calls: Sequence[GroupCall | OwnerCall]) -> None:
        groups = [each for each in calls if isinstance(each, GroupCall)]
        owners = [each for each in calls if isinstance(each, OwnerCall)]
        try:
            await self._store.store(groups, owners, self._clock.now())
        except AbortedError:
            # The tenant or the binding of one of them is gone. The others are stored each for itself.
            if len(calls) > 1:
                for call in calls:
                    await self._store_some([call])
                return
            self.stats.dropped += 1
        except AxbridgeError as error:
            self.stats.dropped += len(calls)
            _log.warning("calls were not remembered", calls=len(calls), detail=error.message)
        else:
            self.stats.stored += len(calls)


def _put(table: "OrderedDict[_Key, _Value]", key: _Key, value: _Value) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > MOST_NOTED:
        table.popitem(last=False)
