"""The Python client as its page shows it, and over a long way."""

import asyncio
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from axbridge_client import AxbridgeClient, Start
from common.errors import FailedPreconditionError, InvalidArgumentError
from tests.e2e.test_subscriptions import ROOT, Publisher, until
from tests.support.processes import ChildProcess
from tests.support.stack import Service
from tests.support.subscriber import COMMAND
from tests.unit.event_service.builders import TENANT

PAGE = ROOT / "docs" / "subscriptions.md"
ADDRESS_IN_PAGE = "127.0.0.1:50052"
# There and back it takes double.
WAY_SECONDS = 0.2


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service("event_service", "AXBRIDGE_EVENTS", tmp_path, {"AXBRIDGE_EVENTS_DATA_DIR": str(tmp_path)})
    service.start()
    yield service
    service.child.kill()


def examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


async def test_the_program_of_the_page_prints_the_calls_of_a_tenant(service: Service, tmp_path: Path) -> None:
    program = examples()[0]
    assert ADDRESS_IN_PAGE in program
    await Publisher(service.address).publish("shown", 1)
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'protos'}", "PYTHONUNBUFFERED": "1"}
    source = program.replace(ADDRESS_IN_PAGE, service.address)
    child = ChildProcess([sys.executable, "-c", source], tmp_path / "program.log", env=environment)
    try:
        await until(lambda: "shown-0 " in child.log(), 20, child.log())
    finally:
        child.kill()


async def test_the_page_shows_how_to_acknowledge_a_batch_and_how_to_leave(service: Service) -> None:
    batches, leave = examples()[1:3]
    stored: list[int] = []

    async def store(batch: list[Any]) -> None:
        stored.append(len(batch))
        if len(stored) == 2:
            raise TimeoutError

    async with AxbridgeClient(service.address) as client:
        await client.create_subscription("100001", "billing", start=Start.earliest())
        await Publisher(service.address).publish("batched", 50)
        with suppress(TimeoutError):
            await _run(batches, client=client, store=store, batch=[])
    async with AxbridgeClient(service.address) as client:
        # Of 250 events and 50 records those of the batch that was stored are acknowledged, and no others.
        (billing,) = await client.list_subscriptions("100001")
        assert 150 < billing.backlog <= 200
        await _run(leave, client=client)
        # The stream is closed: a subscription with a consumer is not moved.
        await client.seek_subscription("100001", "billing", Start.now())


async def _run(source: str, **names: object) -> None:
    code = f"async def example({', '.join(names)}):\n{textwrap.indent(source, '    ')}"
    scope: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), scope)
    await scope["example"](**names)


async def test_a_service_that_is_far_away_is_reached(service: Service) -> None:
    host, _, port = service.address.rpartition(":")
    ways: set[asyncio.Task[None]] = set()

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                loop.call_later(WAY_SECONDS, writer.write, data)
        await asyncio.sleep(WAY_SECONDS)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        ways.update((asyncio.create_task(way(reader, back)), asyncio.create_task(way(there, writer))))

    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    address = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with proxy, AxbridgeClient(address) as client:
        await client.create_subscription(TENANT, "far")
        await Publisher(service.address).publish("far", 1)
        delivery = await anext(client.subscribe(TENANT, "far"))
        assert delivery.event is not None
    # Closed is closed, also for whoever keeps a delivery.
    async with asyncio.timeout(10):
        await asyncio.gather(*ways)


async def test_a_consumer_that_is_frozen_is_given_up_also_when_nothing_is_sent_to_it(
    service: Service, tmp_path: Path
) -> None:
    async with AxbridgeClient(service.address) as client:
        await client.create_subscription(TENANT, "s")
        consumer = ChildProcess(
            [*COMMAND, service.address, TENANT, "s", str(tmp_path / "seen.jsonl")],
            tmp_path / "consumer.log",
            env={"PYTHONPATH": str(ROOT)},
        )

        async def is_in_use() -> bool:
            try:
                await client.seek_subscription(TENANT, "s", Start.now())
            except FailedPreconditionError:
                return True
            return False

        try:
            async with asyncio.timeout(20):
                while not await is_in_use():
                    await asyncio.sleep(0.1)
            consumer.freeze()
            # Its streams would end by themselves after 54 s.
            async with asyncio.timeout(40):
                while await is_in_use():
                    await asyncio.sleep(0.5)
        finally:
            consumer.thaw()
            consumer.kill()


async def test_a_position_that_is_not_reached_is_refused_by_its_field(service: Service) -> None:
    async with AxbridgeClient(service.address) as client:
        with pytest.raises(InvalidArgumentError) as refused:
            await client.create_subscription(TENANT, "s", start=Start.after({3: 1}))
        assert refused.value.field == "start.positions"
        assert await client.list_subscriptions(TENANT) == []
        await client.create_subscription(TENANT, "s")
        with pytest.raises(InvalidArgumentError) as refused:
            await client.seek_subscription(TENANT, "s", Start.after({99: 0}))
        assert refused.value.field == "to.positions"
