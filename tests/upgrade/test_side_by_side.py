"""The version before and this one on the same databases and the same Redis, as in the middle of an upgrade."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from axbridge.events.v1 import event_service_pb2
from axbridge.routing.v1 import binding_pb2, decision_pb2

from tests.soak.rolling_restarts import READY_SECONDS, Outcome, Platform, Replicas, count_stored, prepare
from tests.support.balancer import Balancer
from tests.support.stack import Service
from tests.upgrade.exchange import binding_of, events_replicas, routing_replicas
from tests.upgrade.versions import before, today

pytestmark = pytest.mark.timeout(600)
RATE = 30.0
KINDS = (
    binding_pb2.BINDING_KIND_AXB,
    binding_pb2.BINDING_KIND_AX,
    binding_pb2.BINDING_KIND_AXG,
    binding_pb2.BINDING_KIND_AXE,
    binding_pb2.BINDING_KIND_AXYB,
)


@asynccontextmanager
async def under_load(replicas: Replicas, outcome: Outcome) -> AsyncIterator[None]:
    """A platform sends queries and events while the context is open; afterwards what it saw is in `outcome`."""
    async with Balancer([gateway.address for gateway in replicas.gateways]) as balancer:
        while not all(backend.is_ready for backend in balancer.backends):
            await asyncio.sleep(0.05)
        # The gateways' directory of tenants is read again by then.
        await asyncio.sleep(READY_SECONDS)
        platform = Platform(balancer.address, outcome, RATE)
        sending = asyncio.create_task(platform.run())
        try:
            yield
        finally:
            platform.done.set()
            await sending
    await asyncio.to_thread(count_stored, replicas, outcome)


async def replace(replicas: Replicas, services: list[Service], version: dict[str, str]) -> None:
    """Start these again, one after the other, with another version."""
    for service in services:
        service.use(version)
        await asyncio.to_thread(replicas.restart, service)
        await asyncio.sleep(READY_SECONDS)


def check_routing(replicas: Replicas) -> None:
    """What one writes the other answers, at once, and what one deletes the other answers no more."""
    with routing_replicas([each.address for each in replicas.routing]) as pair:
        number = 0
        for writer, reader in (pair, reversed(pair)):
            for kind in KINDS:
                number += 1
                access = f"025660001{number:02d}"
                # That nobody is there is remembered too.
                nobody = reader.answer(access).result
                assert nobody == decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER
                written = writer.create(binding_of(kind, access))
                answers = [each.answer(access) for each in (writer, reader, writer)]
                assert [each.result for each in answers] == [decision_pb2.ROUTE_RESULT_ROUTED] * 3
                assert {each.binding_id for each in answers} == {written.binding_id}
                assert answers[0].members == answers[1].members
                if kind != binding_pb2.BINDING_KIND_AXYB:
                    reader.show_other_number(written, "02566000001")
                    shown = {each.answer(access).members[0].display_number for each in (writer, reader)}
                    assert shown == {"02566000001"}
                reader.delete(written)
                results = [each.answer(access).result for each in (writer, reader)]
                assert results == [nobody] * 2


def check_events(replicas: Replicas) -> None:
    """The events of one call may go to either; both tell the same record of it."""
    codes = ("1", "2", "3", "15", "10")
    with events_replicas([each.address for each in replicas.events]) as pair:
        for turn in range(4):
            session_id = f"side-by-side-{turn}"
            for seq, code in enumerate(codes, 1):
                taken_by = pair[(seq + turn) % 2]
                assert taken_by.publish(session_id, seq, code) == event_service_pb2.PUBLISH_STATUS_STORED
                other = pair[(seq + turn + 1) % 2]
                assert other.publish(session_id, seq, code) == event_service_pb2.PUBLISH_STATUS_DUPLICATE
            calls = [each.call(session_id).call for each in pair]
            assert calls[0].SerializeToString(deterministic=True) == calls[1].SerializeToString(deterministic=True)
            assert [each.stored(session_id) for each in pair] == [[str(seq) for seq, _ in enumerate(codes, 1)]] * 2


async def test_an_upgrade_and_the_way_back_under_load(tmp_path: Path) -> None:
    old, new = before(tmp_path / "before"), today()
    outcome = Outcome()
    replicas = Replicas(tmp_path, old)
    try:
        await replicas.start()
        await asyncio.to_thread(prepare, replicas)
        pairs = (replicas.routing, replicas.events, replicas.gateways)
        async with under_load(replicas, outcome):
            # The old version goes on with the new one's schema.
            await asyncio.to_thread(replicas.migrate, new)
            await asyncio.sleep(READY_SECONDS)
            await replace(replicas, [pair[0] for pair in pairs], new)
            await asyncio.to_thread(check_routing, replicas)
            await asyncio.to_thread(check_events, replicas)
            await replace(replicas, [pair[1] for pair in pairs], new)
            # Back again, in the order that puts today's gateways before the services of the version before.
            await replace(replicas, replicas.services, old)
    finally:
        replicas.stop()
    assert outcome.queries > 500
    assert not outcome.failures
    assert sum(map(len, outcome.acknowledged.values())) > 500
    assert (outcome.lost, outcome.doubled) == (0, 0)


def test_each_runs_its_own_code(tmp_path: Path) -> None:
    # Or the test above would compare today's version with itself.
    print_place = (
        "import common, gateway, axbridge.routing.v1 as a; print(common.__file__, gateway.__file__, a.__path__[0])"
    )
    for version, place in ((before(tmp_path), tmp_path), (today(), Path(__file__).parents[2])):
        done = subprocess.run(
            [sys.executable, "-c", print_place], env=version, check=True, capture_output=True, text=True
        )
        assert all(Path(each).is_relative_to(place) for each in done.stdout.split())
