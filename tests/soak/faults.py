"""What goes wrong while others work: servers that are killed and frozen, replicas that are too."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from tests.soak.history import Report
from tests.soak.replicas import DYING, NORMAL, Replicas
from tests.support.stack import Service

Fault = Callable[[Replicas, random.Random], Awaitable[str]]


async def redis_killed(replicas: Replicas, rng: random.Random) -> str:
    replicas.redis.child.kill()
    await asyncio.sleep(rng.uniform(0.1, 3.0))
    await asyncio.to_thread(replicas.redis.start)
    return "Redis killed"


async def redis_frozen(replicas: Replicas, rng: random.Random) -> str:
    replicas.redis.child.freeze()
    await asyncio.sleep(rng.choice([rng.uniform(0.02, 0.3), rng.uniform(0.3, 4.0)]))
    replicas.redis.child.thaw()
    return "Redis frozen"


async def replica_killed(replicas: Replicas, rng: random.Random) -> str:
    service = rng.choice(_running(replicas))
    service.child.kill()
    await asyncio.to_thread(service.start)
    return "replica killed"


async def replica_frozen(replicas: Replicas, rng: random.Random) -> str:
    """Sometimes for longer than a mark lives."""
    service = rng.choice(_running(replicas))
    service.child.freeze()
    await asyncio.sleep(rng.choice([rng.uniform(0.1, 2.0), rng.uniform(5.0, 13.0)]))
    service.child.thaw()
    return "replica frozen"


async def postgres_frozen(replicas: Replicas, rng: random.Random) -> str:
    replicas.postgres.child.freeze()
    await asyncio.sleep(rng.uniform(0.2, 3.0))
    replicas.postgres.child.thaw()
    return "PostgreSQL frozen"


ALL_FAULTS: Sequence[Fault] = (redis_killed, redis_frozen, replica_killed, replica_frozen, postgres_frozen)


async def keep_breaking(
    replicas: Replicas,
    faults: Sequence[Fault],
    rng: random.Random,
    report: Report,
    goes_on: Callable[[], bool],
    writes_under_way: Callable[[], int],
) -> None:
    """One fault after the other, with some peace in between, each one to its end."""
    while goes_on():
        await asyncio.sleep(rng.uniform(0.5, 2.5))
        report.writes_hit += writes_under_way()
        report.faults[await rng.choice(faults)(replicas, rng)] += 1


async def keep_restarting(replicas: Replicas, report: Report, goes_on: Callable[[], bool]) -> None:
    """Start replicas again that die by themselves."""
    while goes_on():
        await asyncio.sleep(0.2)
        for service in replicas.services:
            if service.name == DYING and not service.child.running:
                report.faults["replica died between commit and invalidation"] += 1
                await asyncio.to_thread(service.start)


def _running(replicas: Replicas) -> list[Service]:
    return [each for each in replicas.services if each.name == NORMAL]
