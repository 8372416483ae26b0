"""Two replicas of the event service, a consumer at each of them: nothing is missed when one replica freezes or dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from axbridge_client import AxbridgeClient
from common.sql import open_engine
from event_service.migrate import migrate
from tests.e2e.test_subscriptions import CODES, ROOT, Publisher, codes_in_order, consumed, until
from tests.support.postgres import PostgresServer
from tests.support.processes import ChildProcess
from tests.support.stack import Service
from tests.support.subscriber import COMMAND
from tests.unit.event_service.builders import TENANT

TAKEN_OVER_SECONDS = 10


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[tuple[Service, Service]]:
    async with AsyncExitStack() as stack:
        postgres = PostgresServer(tmp_path / "postgres")
        stack.callback(postgres.stop)
        postgres.start()
        url = await postgres.create_database()
        engine = open_engine(url, pool_timeout_seconds=10)
        await migrate(engine)
        await engine.dispose()
        env = {"AXBRIDGE_EVENTS_DATABASE_URL": url}
        services = []
        for name in ("one", "two"):
            directory = tmp_path / name
            directory.mkdir()
            service = Service("event_service", "AXBRIDGE_EVENTS", directory, env)
            await asyncio.to_thread(service.start)
            stack.callback(service.child.kill)
            services.append(service)
        yield services[0], services[1]
        # It may be another process by now.
        if services[0].child.running:
            services[0].child.kill()


@pytest.mark.timeout(180)
async def test_a_replica_that_freezes_or_is_killed_gives_its_partitions_to_the_others_consumers(
    replicas: tuple[Service, Service], tmp_path: Path
) -> None:
    one, two = replicas
    paths = [tmp_path / "at-one.jsonl", tmp_path / "at-two.jsonl"]
    publisher = Publisher(two.address)
    async with AxbridgeClient(two.address) as client:
        await client.create_subscription(TENANT, "shared")
    consumers = [
        ChildProcess(
            [*COMMAND, replica.address, TENANT, "shared", str(path)],
            tmp_path / f"{path.stem}.log",
            env={"PYTHONPATH": str(ROOT)},
        )
        for replica, path in zip(replicas, paths, strict=True)
    ]

    async def until_other_has_all(what: str) -> None:
        before = len(consumed(paths[1]))
        partitions = {row[0] for row in consumed(*paths)}
        await until(
            lambda: partitions <= {row[0] for row in consumed(paths[1])[before:]}, TAKEN_OVER_SECONDS, f"{what}: over"
        )

    async def until_both_get_more(what: str) -> None:
        before = [len(consumed(path)) for path in paths]
        await until(
            lambda: all(len(consumed(path)) > count + 20 for path, count in zip(paths, before, strict=True)), 30, what
        )

    try:
        publishing = asyncio.create_task(publisher.publish("r"))
        await until(lambda: all(len(consumed(path)) > 50 for path in paths), 30, "both consume")
        one.child.freeze()
        await until_other_has_all("frozen")
        # What it still sends, and what is acknowledged to it, is from before: it must move nothing.
        one.child.thaw()
        await until_both_get_more("thawed")
        one.child.kill()
        await until_other_has_all("killed")
        await asyncio.to_thread(one.start)
        await until_both_get_more("started again")
        publisher.enough.set()
        await publishing
        await until(
            lambda: (
                codes_in_order(consumed(*paths)).keys() >= publisher.published.keys()
                and all(len(codes) == len(CODES) for codes in codes_in_order(consumed(*paths)).values())
            ),
            20,
            "no gap",
        )
    finally:
        for child in consumers:
            if child.running:
                child.kill()
    # Whoever of the two got a step first: it came after those before it.
    assert codes_in_order(consumed(*paths)) == publisher.published
