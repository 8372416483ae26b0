"""What a Service of type ClusterIP is to its clients: one address, each new connection to one of the ready pods.

As with the real thing, a pod that stops being ready gets no new connections and keeps those it has.
"""

import asyncio
import itertools
import threading
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65536


class ServiceAddress:
    """A listening port on loopback, balanced over its endpoints. It runs in a thread while the context is open."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="service-address", daemon=True)
        self._endpoints: dict[str, int] = {}
        self._turns = itertools.count()
        self._server: asyncio.Server | None = None
        self.refused_connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self._server = start.result(10)
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def add(self, pod: str, port: int) -> None:
        """Let new connections go to a pod."""
        self._endpoints = {**self._endpoints, pod: port}

    def remove(self, pod: str) -> None:
        """Send no new connection to a pod any more."""
        self._endpoints = {name: port for name, port in self._endpoints.items() if name != pod}

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        endpoints = list(self._endpoints.values())
        try:
            port = endpoints[next(self._turns) % len(endpoints)]
            pod_reader, pod_writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, ZeroDivisionError):
            self.refused_connections += 1
            client_writer.transport.abort()
            return
        await asyncio.gather(_copy(client_reader, pod_writer), _copy(pod_reader, client_writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()
    finally:
        # Whoever hung up, the other side learns it; what is still under way is delivered first.
        writer.close()
