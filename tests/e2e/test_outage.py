"""Redis and PostgreSQL go away under load: who is cached is answered, the rest is told so in time, and it heals itself.

`python -m tests.soak.outage` measures the same for longer, against the limits of an idle machine.
"""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.test_query import answer, json_query
from tests.soak.outage import carry_out, verdict
from tests.support.http import JSON
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.stack import Stack

HOT, COLD = "13800005555", [f"138000066{number:02}" for number in range(20)]
# The gateway gives a query one second, and a busy machine takes its own time on top.
IN_TIME_SECONDS = 2.0


@pytest.mark.timeout(300)
async def test_what_callers_notice_of_outages(tmp_path: Path) -> None:
    phases = await carry_out(2.0, 300.0, tmp_path)

    # What hangs or is asked twice takes far longer than a busy machine.
    assert verdict(phases, p99_limit_seconds=0.5) == []


@dataclass
class Production:
    """The three services on PostgreSQL and Redis."""

    stack: Stack
    postgres: PostgresServer
    redis: RedisServer

    def ask(self, caller: str) -> str:
        """The result that the platform gets; in time, whatever it is."""
        started = time.monotonic()
        result: str = answer(self.stack, json_query(caller), JSON)["result"]
        assert time.monotonic() - started < IN_TIME_SECONDS
        return result

    def ask_all(self, callers: list[str]) -> set[str]:
        """The results of callers who call at the same time."""
        with ThreadPoolExecutor(len(callers)) as pool:
            return set(pool.map(self.ask, callers))

    def until_routed(self, caller: str) -> None:
        deadline = time.monotonic() + 15
        while self.ask(caller) != "0000":
            assert time.monotonic() < deadline, "no recovery"
            time.sleep(0.05)


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    postgres, redis = PostgresServer(tmp_path / "postgres", {"fsync": "off"}), RedisServer(tmp_path / "redis")
    postgres.start()
    redis.start()
    env = {
        "AXBRIDGE_ROUTING_DATABASE_URL": asyncio.run(postgres.create_database()),
        "AXBRIDGE_ROUTING_REDIS_URL": redis.url,
        "AXBRIDGE_ROUTING_MIGRATE_AT_START": "yes",
        # What was cached has to last through the outage on a slow machine as well.
        "AXBRIDGE_ROUTING_CACHE_TTL_SECONDS": "30",
    }
    try:
        with Stack(tmp_path, env) as stack:
            stack.add_tenant()
            stack.bind_axb(HOT, "13900005555")
            for number in COLD:
                stack.bind_axb(number, number.replace("138", "139", 1))
            yield Production(stack, postgres, redis)
    finally:
        postgres.child.thaw()
        postgres.stop()
        redis.stop()


def test_while_postgres_is_frozen_the_platform_is_answered_what_is_cached_and_else_9002(production: Production) -> None:
    production.until_routed(HOT)
    # The next one is answered from the cache once it was filled, which nobody waits for.
    time.sleep(0.5)
    production.postgres.child.freeze()
    assert production.ask_all([HOT] * 5) == {"0000"}
    assert production.ask_all(COLD) == {"9002"}
    # By now nobody waits for it any more.
    assert production.ask_all([HOT, *COLD]) == {"0000", "9002"}
    production.postgres.child.thaw()

    for number in (HOT, *COLD):
        production.until_routed(number)


def test_while_redis_is_away_the_platform_is_answered_as_ever(production: Production) -> None:
    callers = [HOT, *COLD]
    production.redis.child.freeze()
    assert [production.ask_all(callers) for _ in range(3)] == [{"0000"}] * 3
    production.redis.child.thaw()
    assert production.ask_all(callers) == {"0000"}
    production.redis.child.kill()
    assert [production.ask_all(callers) for _ in range(3)] == [{"0000"}] * 3
    production.redis.start()
    assert production.ask_all(callers) == {"0000"}
