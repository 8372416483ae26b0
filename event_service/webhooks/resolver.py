"""Names to addresses, once for each connection, and only to addresses that may be connected to."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future

from aiohttp.abc import AbstractResolver, ResolveResult

from event_service.webhooks.addresses import AddressPolicy, refused_of

# Looking a name up blocks a thread, for half a minute when its servers are silent. A name never takes more than one.
_LOOKUP_THREADS = 64

Lookup = Callable[[str], Awaitable[Sequence[str]]]


class AddressRefusedError(OSError):
    """An address may not be connected to. The message does not name it: whoever reads it may not know our network."""

    def __init__(self, why: str) -> None:
        super().__init__(f"address not allowed ({why})")


class GuardedResolver(AbstractResolver):
    """Resolves names for aiohttp's connector. The addresses that it returns are the ones that are connected to.

    `lookup` returns the addresses of a name as text; it raises OSError when there are none.
    """

    def __init__(self, policy: AddressPolicy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises AddressRefusedError when one of them may not be connected to, so that a name
        can't mix what is allowed with what is not; OSError when there are none."""
        addresses = await self._lookup(host)
        refusal = refused_of(self._policy, addresses)
        if refusal is not None:
            raise AddressRefusedError(refusal)
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held here."""


class SystemLookup:
    """Looks names up as the operating system does, in threads of its own, so that silent name servers hold up only the
    names that they are asked for. The threads are daemons: what hangs does not keep the process from ending."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_LOOKUP_THREADS)
        self._running: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a name. Whoever asks while it is being looked up gets the same answer."""
        running = self._running.get(host)
        if running is None:
            running = asyncio.create_task(self._look_up(host), name="look up a webhook's host")
            self._running[host] = running
            running.add_done_callback(lambda done: self._ended(host, done))
        # Giving up waiting does not end the thread, so the next one to ask waits for the same thread.
        return await asyncio.shield(running)

    def close(self) -> None:
        """Wait for no lookup any more."""
        for task in self._running.values():
            task.cancel()

    async def _look_up(self, host: str) -> Sequence[str]:
        async with self._slots:
            found: Future[Sequence[str]] = Future()
            found.set_running_or_notify_cancel()
            threading.Thread(target=_find, args=(found, host), name="webhook-lookup", daemon=True).start()
            return await asyncio.wrap_future(found)

    def _ended(self, host: str, done: "asyncio.Task[Sequence[str]]") -> None:
        self._running.pop(host, None)
        if not done.cancelled():
            # Read, so that asyncio does not complain when nobody waited any more.
            done.exception()


def _find(found: "Future[Sequence[str]]", host: str) -> None:
    """In a thread: look the name up, and hand over what came of it."""
    try:
        found.set_result(_getaddrinfo(host))
    except Exception as error:  # noqa: BLE001 - raised where it is waited for
        found.set_exception(error)


def _getaddrinfo(host: str) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    # An IPv6 address with a zone (`fe80::1%eth0`) keeps it and is refused for it.
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
