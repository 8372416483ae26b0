"""Clients for the three ways in which Redis runs, behind the few commands that the cache needs.

URLs: `redis://[USER@]HOST:PORT/DB`, `sentinel://HOST:PORT,HOST:PORT/SERVICE[?db=N]`,
`cluster://HOST:PORT,HOST:PORT`; with TLS `rediss://`, `sentinels://`, `clusters://`. IPv6 addresses stand in brackets.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

_PORTS = {"redis": 6379, "sentinel": 26379, "cluster": 6379}
# Scheme to mode, and whether it is TLS.
_SCHEMES = {mode + ending: (mode, ending == "s") for mode in _PORTS for ending in ("", "s")}
Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is. `nodes` are the server itself, the sentinels, or some nodes of the cluster."""

    mode: str
    nodes: tuple[tuple[str, int], ...]
    database: int = 0
    service: str = ""
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    sentinel_password: str | None = None


def parse_redis_url(
    url: str, password: str | None = None, ca_file: Path | None = None, sentinel_password: str | None = None
) -> RedisAddress:
    """The address of a URL as the module's docstring describes it. Raises ValueError without repeating the URL.

    `password` stands in for one in the URL, `sentinel_password` is for the sentinels themselves. `ca_file` holds the
    authorities that TLS trusts in place of the system's.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("starts with redis://, rediss://, sentinel(s):// or cluster(s)://")
    mode, tls = _SCHEMES[parts.scheme]
    user_info, _, hosts = parts.netloc.rpartition("@")
    username, _, url_password = user_info.partition(":")
    nodes = tuple(_node(each, _PORTS[mode]) for each in hosts.split(","))
    if mode == "redis" and len(nodes) != 1:
        raise ValueError("redis:// takes one server; use sentinel:// or cluster:// for several")
    path = parts.path.strip("/")
    database = parse_qs(parts.query).get("db", ["0"])[0] if mode == "sentinel" else path or "0"
    if not database.isdecimal():
        raise ValueError("the database is a number")
    if mode == "sentinel" and not path:
        raise ValueError("sentinel:// ends with the name of the monitored service: sentinel://HOST:PORT/SERVICE")
    if mode == "cluster" and database != "0":
        raise ValueError("a cluster has one database only")
    return RedisAddress(
        mode=mode,
        nodes=nodes,
        database=int(database),
        service=path if mode == "sentinel" else "",
        username=unquote(username) or None,
        password=password or unquote(url_password) or None,
        tls=tls,
        ca_file=ca_file,
        sentinel_password=sentinel_password,
    )


def _node(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a host is missing")
    return parts.hostname, parts.port or default_port


class RedisClient(Protocol):
    """The commands of the cache. Each is sent once: nothing is retried. Raises whatever the driver does."""

    async def read(self, groups: Sequence[Sequence[str]]) -> Sequence[Sequence[bytes | None]]:
        """The values of each group of keys. A group shares a hash tag; its values are of one moment."""
        ...

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        """The reply of each command, which concerns one key, in one round trip; an exception where it failed."""
        ...

    async def ping(self) -> None:
        """Return when everything that reads and writes may need has answered."""
        ...

    async def close(self) -> None: ...


def open_redis(address: RedisAddress, *, connections: int, timeout_seconds: float) -> RedisClient:
    """A client that waits at most twice `timeout_seconds` for a connection, to connect, and for a reply.

    Who waits for it gives up after once that time; this is for what then goes on in the background. It connects when
    first used, and again after every cut.
    """
    timeout_seconds *= 2
    options: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        # The defaults would try ten times, for up to a minute.
        "retry": Retry(NoBackoff(), 0),
        # RESP2 needs no greeting, so that a new connection costs no round trip more.
        "protocol": 2,
        "driver_info": None,
    }
    if address.mode == "cluster":
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": _path(address.ca_file)} if address.tls else {}
        nodes = [ClusterNode(host, port) for host, port in address.nodes]
        cluster = RedisCluster(startup_nodes=nodes, max_connections=connections, **(options | tls))
        return _InTurns(_ClusterClient(cluster), connections, timeout_seconds)
    options |= {"db": address.database}
    if address.mode == "redis":
        host, port = address.nodes[0]
        tls = {"connection_class": SSLConnection, "ssl_ca_certs": _path(address.ca_file)} if address.tls else {}
        pool: Any = BlockingConnectionPool(
            host=host, port=port, max_connections=connections, timeout=timeout_seconds, **(options | tls)
        )
        return _SingleClient(Redis.from_pool(pool))
    tls = {"ssl": True, "ssl_ca_certs": _path(address.ca_file)} if address.tls else {}
    connecting = ("socket_timeout", "socket_connect_timeout", "retry", "protocol", "driver_info")
    known = {name: options[name] for name in connecting}
    known |= tls | {"password": address.sentinel_password}
    sentinel = _untyped(Sentinel)(address.nodes, sentinel_kwargs=known)
    pool = _untyped(SentinelConnectionPool)(address.service, sentinel, max_connections=connections, **(options | tls))
    return _InTurns(_SingleClient(Redis.from_pool(pool), sentinel.sentinels), connections, timeout_seconds)


def _untyped(kind: Any) -> Any:
    # These classes have no types of their own.
    return kind


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


class _InTurns:
    """A client that has connections for so many at a time, and would refuse the next one: it waits for its turn.

    Only a single server has a pool that waits by itself.
    """

    def __init__(self, inner: RedisClient, connections: int, timeout_seconds: float) -> None:
        self._inner = inner
        self._turns = asyncio.Semaphore(connections)
        self._timeout_seconds = timeout_seconds

    async def read(self, groups: Sequence[Sequence[str]]) -> Sequence[Sequence[bytes | None]]:
        async with self._turn():
            return await self._inner.read(groups)

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        async with self._turn():
            return await self._inner.run(commands)

    async def ping(self) -> None:
        async with self._turn():
            await self._inner.ping()

    async def close(self) -> None:
        await self._inner.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        # Only the waiting ends here: what was sent goes on to its own end.
        async with asyncio.timeout(self._timeout_seconds):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()


class _SingleClient:
    """One server: every key is on it. `helpers` are clients that it is found with."""

    def __init__(self, redis: "Redis", helpers: "Sequence[Redis]" = ()) -> None:
        self._redis: Any = redis
        self._helpers = helpers

    async def read(self, groups: Sequence[Sequence[str]]) -> Sequence[Sequence[bytes | None]]:
        values = await self._redis.mget([name for group in groups for name in group])
        found, start = [], 0
        for group in groups:
            found.append(values[start : start + len(group)])
            start += len(group)
        return found

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies: Sequence[Any] = await pipeline.execute(raise_on_error=False)
        return replies

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        for each in (self._redis, *self._helpers):
            await each.aclose(close_connection_pool=True)


class _ClusterClient:
    """A cluster: the keys of a hash tag are on one node, and the nodes are asked at the same time."""

    def __init__(self, redis: RedisCluster) -> None:
        self._redis: Any = redis

    async def read(self, groups: Sequence[Sequence[str]]) -> Sequence[Sequence[bytes | None]]:
        replies = await self.run([("MGET", *group) for group in groups])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        pipeline = self._redis.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        replies: Sequence[Any] = await pipeline.execute(raise_on_error=False)
        return replies

    async def ping(self) -> None:
        # Commands find their way around a node that is gone only when the cluster itself has.
        await self._redis.ping(target_nodes=RedisCluster.PRIMARIES)

    async def close(self) -> None:
        await self._redis.aclose()
