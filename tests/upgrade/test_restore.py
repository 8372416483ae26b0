"""A backup of PostgreSQL, as docs/kubernetes.md says, is all that is needed to go on from a point in time."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axbridge.events.v1 import event_service_pb2
from axbridge.routing.v1 import binding_pb2, decision_pb2
from redis import Redis

from tests.soak.rolling_restarts import Replicas, prepare, wait_until
from tests.support.postgres import PostgresServer
from tests.support.processes import as_user
from tests.support.stack import ACCESS
from tests.upgrade.exchange import EventsReplica, RoutingReplica, binding_of, events_replicas, routing_replicas

LATER = "02566000002"


def back_up(postgres: PostgresServer, directory: Path) -> None:
    """A copy of the whole server, both databases at the same point."""
    directory.mkdir()
    if postgres.user is not None:
        shutil.chown(directory, postgres.user)
    words = ["--pgdata", str(directory), "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
    server = postgres.url("", "postgresql").rstrip("/")
    command = [str(postgres.program("pg_basebackup")), "--dbname", server, *words]
    subprocess.run(as_user(command, postgres.user), check=True, capture_output=True, cwd="/")


@contextmanager
def first_of_each(replicas: Replicas) -> Iterator[tuple[RoutingReplica, EventsReplica]]:
    routing, events = replicas.routing[0].address, replicas.events[0].address
    with routing_replicas([routing]) as (route,), events_replicas([events]) as (log,):
        yield route, log


@pytest.mark.timeout(300)
async def test_everything_goes_on_from_the_backup(tmp_path: Path) -> None:
    replicas = Replicas(tmp_path)
    try:
        await replicas.start()
        prepare(replicas)
        with first_of_each(replicas) as (route, events):
            assert events.publish("before", 1, "1") == event_service_pb2.PUBLISH_STATUS_STORED
            back_up(replicas.postgres, tmp_path / "backup")
            # What comes later is not in it.
            route.create(binding_of(binding_pb2.BINDING_KIND_AX, LATER))
            assert route.answer(LATER).result == decision_pb2.ROUTE_RESULT_ROUTED
            assert events.publish("later", 1, "1") == event_service_pb2.PUBLISH_STATUS_STORED
        for service in replicas.services:
            assert service.stop() == 0
        replicas.postgres.restore(tmp_path / "backup")
        with Redis.from_url(replicas.redis.url) as cache:
            cache.flushdb()
        for service in replicas.services:
            service.start()
        with first_of_each(replicas) as (route, events):
            # On a busy machine its first connections may take longer than a query may.
            wait_until(
                lambda: route.answer(ACCESS).result == decision_pb2.ROUTE_RESULT_ROUTED,
                "what was backed up is not there",
            )
            assert route.answer(LATER).result == decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER
            assert (events.stored("before"), events.stored("later")) == (["1"], [])
            # And on from there: an event that the platform sends again finds its place, a new one gets the next.
            assert events.publish("before", 1, "1") == event_service_pb2.PUBLISH_STATUS_DUPLICATE
            assert events.publish("before", 2, "10") == event_service_pb2.PUBLISH_STATUS_STORED
            route.create(binding_of(binding_pb2.BINDING_KIND_AX, LATER))
            assert route.answer(LATER).result == decision_pb2.ROUTE_RESULT_ROUTED
    finally:
        replicas.stop()
