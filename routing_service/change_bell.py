"""Waking those who wait for changes, within one process."""

import asyncio
from collections import defaultdict
from contextlib import suppress

from routing_service.sql_store.transaction import Result, Work, Writer


class ChangeBell:
    """Wakes those who wait for a tenant's changes. A missed ring costs a poll's time, and no change."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether the service stops, so that nobody is to wait any more."""
        return self._is_closed

    def ring(self, tenant_id: str) -> None:
        """There may be new changes."""
        for event in self._waiting.get(tenant_id, ()):
            event.set()

    def close(self) -> None:
        """Wake everybody up."""
        self._is_closed = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    def ear(self, tenant_id: str) -> "BellEar":
        """Hears each ring from now on."""
        return BellEar(self._waiting, tenant_id)


class BellEar:
    """One who listens for a tenant's bell, as a context."""

    def __init__(self, waiting: "defaultdict[str, set[asyncio.Event]]", tenant_id: str) -> None:
        self._waiting = waiting
        self._tenant_id = tenant_id
        self._event = asyncio.Event()

    def __enter__(self) -> "BellEar":
        self._waiting[self._tenant_id].add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting[self._tenant_id].discard(self._event)
        if not self._waiting[self._tenant_id]:
            del self._waiting[self._tenant_id]

    def forget(self) -> None:
        """From here on only rings that are yet to come count."""
        self._event.clear()

    async def wait(self, longest_seconds: float) -> None:
        """Return at the next ring, or when the time is up."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), longest_seconds)


class RingingWriter:
    """Writer that rings the bell of the tenant it wrote for."""

    def __init__(self, writer: Writer, bell: ChangeBell) -> None:
        self._writer = writer
        self._bell = bell

    async def write(self, tenant_id: str, work: Work[Result], timeout_seconds: float | None = None) -> Result:
        result = await self._writer.write(tenant_id, work, timeout_seconds)
        self._bell.ring(tenant_id)
        return result
