"""The event service as a process: what it acknowledged survives its death, and it starts and stops as it should."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import event_service_pb2, event_service_pb2_grpc

from common.clock import SystemClock
from common.grpc_channel import open_channel
from common.sql import open_engine
from event_service.convert import event_to_message
from event_service.domain import CallEvent
from event_service.fold import fold_call
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
from event_service.sql_log import SqlEventLog, create_partitions
from tests.support.stack import Service
from tests.unit.event_service.builders import event

CODES = ("15", "16", "31", "40", "22")
STORED, DUPLICATE = event_service_pb2.PUBLISH_STATUS_STORED, event_service_pb2.PUBLISH_STATUS_DUPLICATE


class Sender:
    """Sends calls' events, several requests at a time, until the service is gone; keeps what was acknowledged."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.sent: list[CallEvent] = []
        self.acknowledged: list[CallEvent] = []
        self.enough = asyncio.Event()
        self._wanted = 0

    async def run(self, name: str, wanted: int) -> None:
        """Send until the connection breaks; `enough` is set when so many events were acknowledged."""
        self._wanted = len(self.acknowledged) + wanted
        self.enough.clear()
        async with open_channel(self._address) as channel:
            stub = event_service_pb2_grpc.EventServiceStub(channel)
            await asyncio.gather(*(self._send(stub, f"{name}-{worker}") for worker in range(6)))

    async def _send(self, stub: event_service_pb2_grpc.EventServiceStub, name: str) -> None:
        number = 0
        while True:
            number += 1
            batch = [event(code, at, session_id=f"{name}-{number}") for at, code in enumerate(CODES, 1)]
            self.sent += batch
            try:
                statuses = await publish(stub, batch)
            except grpc.aio.AioRpcError:
                return
            assert set(statuses) == {STORED}
            self.acknowledged += batch
            if len(self.acknowledged) >= self._wanted:
                self.enough.set()


async def publish(stub: event_service_pb2_grpc.EventServiceStub, events: list[CallEvent]) -> list[int]:
    request = event_service_pb2.PublishBatchRequest(events=[event_to_message(e) for e in events])
    response = await stub.PublishBatch(request, timeout=20)  # type: ignore[misc]
    return [result.status for result in response.results]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Service]:
    """An event service with its data in `tmp_path`; whatever becomes of the test, it does not outlive it."""
    service = Service("event_service", "AXBRIDGE_EVENTS", tmp_path, {"AXBRIDGE_EVENTS_DATA_DIR": str(tmp_path)})
    service.start()
    yield service
    if service.child.running:
        service.child.kill()


async def test_killed_in_the_middle_everything_acknowledged_is_there_once(process: Service, tmp_path: Path) -> None:
    sender = Sender(process.address)
    for life in range(3):
        sending = asyncio.create_task(sender.run(f"life{life}", wanted=300))
        await asyncio.wait_for(sender.enough.wait(), 60)
        # Requests are under way, and SIGKILL asks nobody.
        process.child.kill()
        await sending
        process.start()
    assert len(sender.sent) > len(sender.acknowledged) >= 900
    async with open_channel(process.address) as channel:
        stub = event_service_pb2_grpc.EventServiceStub(channel)
        # Whoever got no answer sends again; what was acknowledged must be known.
        again = [await publish(stub, sender.sent[i : i + 500]) for i in range(0, len(sender.sent), 500)]
    assert process.stop() == 0
    statuses = dict(zip(sender.sent, [status for page in again for status in page], strict=True))
    assert {statuses[sent] for sent in sender.acknowledged} == {DUPLICATE}
    await check_log(tmp_path / "events.db", sender.sent)


async def check_log(database: Path, sent: list[CallEvent]) -> None:
    """Each event is in the log once, offsets are gapless, and each call's record is the fold of its events."""
    engine = open_engine(f"sqlite+aiosqlite:///{database}")
    try:
        log = SqlEventLog(engine, SystemClock(), await create_partitions(engine, 1))
        logged: Counter[CallEvent] = Counter()
        for partition, head in enumerate(await log.heads()):
            rows = await log.read(partition, 0, 100_000)
            assert [row.log_offset for row in rows] == list(range(1, head + 1))
            logged.update(row.event for row in rows)
        assert logged == Counter(sent)
        calls = SqlCallReader(EventDatabase(engine))
        for sid in {e.session_id for e in sent}:
            found = await calls.get("100001", sid)
            assert found is not None
            assert found.call == fold_call([e for e in sent if e.session_id == sid])
    finally:
        await engine.dispose()


async def test_a_stop_in_the_middle_answers_what_it_took(process: Service, tmp_path: Path) -> None:
    sender = Sender(process.address)
    sending = asyncio.create_task(sender.run("stopped", wanted=100))
    await asyncio.wait_for(sender.enough.wait(), 60)
    assert await asyncio.to_thread(process.stop) == 0
    await sending
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'events.db'}")
    try:
        log = SqlEventLog(engine, SystemClock(), await create_partitions(engine, 1))
        logged = {row.event for p in range(len(await log.heads())) for row in await log.read(p, 0, 100_000)}
        assert logged >= set(sender.acknowledged)
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"partition_count": "0"}, 2, "AXBRIDGE_EVENTS_PARTITION_COUNT"),
        ({"log_level": "loud"}, 2, "log_level"),
        ({"listen": "127.0.0.1:1:1"}, 1, "listen"),
        ({"database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/events"}, 1, "not available"),
    ],
)
def test_a_start_that_can_not_be_says_why(tmp_path: Path, settings: dict[str, str], code: int, said: str) -> None:
    env = {f"AXBRIDGE_EVENTS_{name.upper()}": value for name, value in settings.items()}
    finished = subprocess.run(
        [sys.executable, "-m", "event_service"],
        env={**os.environ, "AXBRIDGE_EVENTS_DATA_DIR": str(tmp_path), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == code
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
