"""Writes of many scopes: told in lots, so that queries get their turn in between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from routing_service.cache.redis_cache import RedisCache, RedisCacheLimits
from routing_service.cache.redis_client import Command
from routing_service.cache_stats import CacheStats
from routing_service.domain.scope import CacheScope
from tests.unit.routing_service.builders import TENANT, FakeClock

SCOPES = [CacheScope(TENANT, f"+8625660{number:05}") for number in range(5_000)]


@dataclass
class Recorder:
    """RedisClient that notes how much it is sent at once; it answers so many times, and then no more."""

    answers: int = 1_000
    lots: list[int] = field(default_factory=list)
    names: set[Any] = field(default_factory=set)

    async def read(self, groups: Sequence[Sequence[str]]) -> Sequence[Sequence[bytes | None]]:
        raise NotImplementedError

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        self.lots.append(len(commands))
        if len(self.lots) > self.answers:
            raise OSError("away")
        self.names.update(command[1] if command[0] == "SET" else command[3] for command in commands)
        return [1] * len(commands)

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


def cache_on(client: Recorder) -> RedisCache:
    return RedisCache(client, client, RedisCacheLimits(), FakeClock(), CacheStats())


async def test_all_are_told_and_never_many_at_once() -> None:
    for what in ("mark", "lift"):
        client = Recorder()
        assert await getattr(cache_on(client), what)(SCOPES, "w1")
        assert max(client.lots) <= 250
        assert len(client.names) == len(SCOPES)


async def test_what_could_not_be_told_of_all_was_not_told() -> None:
    client = Recorder(answers=3)
    assert not await cache_on(client).lift(SCOPES, "w1")
    assert len(client.lots) == 4, "who does not answer is not asked again for the others"
