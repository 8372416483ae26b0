"""Liveness, readiness and their reasons, also over HTTP."""

import aiohttp
import pytest

from common.service_health import ServiceHealth, running_health


class Dependency:
    """Something that works or not."""

    def __init__(self) -> None:
        self.wrong = ""

    async def look(self) -> str:
        return self.wrong


@pytest.fixture
def database() -> Dependency:
    return Dependency()


@pytest.fixture
def health(database: Dependency) -> ServiceHealth:
    problems: list[str] = []
    health = ServiceHealth({"database": database.look}, lambda: problems)
    health.problems_for_test = problems  # type: ignore[attr-defined]
    return health


async def test_ready_when_everything_was_there_once(health: ServiceHealth, database: Dependency) -> None:
    assert health.not_ready_reasons() == ["database: not checked yet"]
    database.wrong = "can't be reached"
    await health.check()
    assert health.not_ready_reasons() == ["database: can't be reached"]
    assert health.degraded_reasons() == []
    database.wrong = ""
    await health.check()
    assert health.not_ready_reasons() == []


async def test_what_is_lost_later_degrades(health: ServiceHealth, database: Dependency) -> None:
    await health.check()
    database.wrong = "does not answer"
    await health.check()
    assert health.not_ready_reasons() == []
    assert health.degraded_reasons() == ["database: does not answer"]


async def test_what_is_vital_makes_unready_again_and_ready_when_it_is_back(database: Dependency) -> None:
    durability = Dependency()
    health = ServiceHealth({"database": database.look}, list, {"durability": durability.look})
    await health.check()
    assert health.not_ready_reasons() == []
    durability.wrong, database.wrong = "fsync is off", "does not answer"
    await health.check()
    assert health.not_ready_reasons() == ["durability: fsync is off"]
    assert health.degraded_reasons() == ["database: does not answer"]
    durability.wrong = ""
    await health.check()
    assert health.not_ready_reasons() == []


async def test_the_end_is_not_ready_whatever_works(health: ServiceHealth) -> None:
    await health.check()
    health.is_draining = True
    assert health.not_ready_reasons() == ["shutting down"]


async def test_over_http(health: ServiceHealth) -> None:
    async with running_health("127.0.0.1:0", health) as address, aiohttp.ClientSession(f"http://{address}") as session:
        async with session.get("/livez") as response:
            assert (response.status, await response.json()) == (200, {"status": "alive"})
        await health.check()
        health.problems_for_test.append("credentials: bad")  # type: ignore[attr-defined]
        async with session.get("/readyz") as response:
            content = await response.json()
            assert (response.status, content) == (200, {"ready": True, "reasons": [], "degraded": ["credentials: bad"]})
        health.is_draining = True
        async with session.get("/readyz") as response:
            assert (response.status, (await response.json())["reasons"]) == (503, ["shutting down"])


async def test_nothing_is_served_where_nothing_was_asked_for(health: ServiceHealth) -> None:
    async with running_health("", health) as address:
        assert address == ""
