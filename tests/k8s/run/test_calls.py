"""The workloads from the rendered dev manifests under podman: calls from outside, replicas, and their replacement."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.k8s.support.cluster import Cluster
from tests.k8s.support.platform import (
    TENANT,
    A,
    B,
    Followers,
    Simulation,
    acknowledged_events,
    axbridge,
    lost_events,
)
from tests.k8s.support.pods import PodPlan

pytestmark = pytest.mark.timeout(400)
CALLS = 1000
# For what is followed to arrive, on a busy machine.
FOLLOW_SECONDS = 60.0


def gateway_of(cluster: Cluster) -> str:
    return cluster.address_of("axbridge-gateway")


def shares(cluster: Cluster, before: dict[str, int], pods: list[PodPlan]) -> dict[str, float]:
    """Which part of the traffic each pod received since `before`."""
    received = {pod.name: cluster.received_bytes(pod) - before.get(pod.name, 0) for pod in pods}
    total = sum(received.values())
    return {name: count / total for name, count in received.items()}


def test_a_thousand_calls_from_outside(cluster: Cluster, tmp_path: Path) -> None:
    routing = cluster.pods_of("axbridge-routing")
    before = {pod.name: cluster.received_bytes(pod) for pod in routing}
    with Simulation(gateway_of(cluster), "thousand", tmp_path, calls=CALLS, rate=25) as simulation:
        report = simulation.wait(180)
    assert report["broken_rules"] == {}, report["examples"]
    assert (report["calls"], report["passed"]) == (CALLS, True)
    assert report["acknowledged"] == report["events"] > 3 * CALLS
    count, lost = lost_events(simulation.ack_file, cluster.address_of("axbridge-events"))
    assert (count, lost) == (report["acknowledged"], [])
    # Two replicas behind the headless name share the load.
    assert len(routing) == 2
    assert all(share > 0.3 for share in shares(cluster, before, routing).values())
    print(f"{CALLS} calls, {count} events: all right, none lost; p99 {report['query_milliseconds']['p99']} ms")


def test_a_third_routing_replica_joins_and_gets_traffic(cluster: Cluster, tmp_path: Path) -> None:
    with Simulation(gateway_of(cluster), "third", tmp_path, calls=100_000, rate=15) as simulation:
        (third,) = cluster.start("axbridge-routing")
        joined = time.monotonic()
        idle = cluster.received_bytes(third)
        # The gateways learn of it when their connections reach their age: 60 s as rendered, and a little by chance.
        while cluster.received_bytes(third) - idle < 50_000 and time.monotonic() - joined < 90:
            time.sleep(1)
        took = time.monotonic() - joined
        before = {pod.name: cluster.received_bytes(pod) for pod in cluster.pods_of("axbridge-routing")}
        time.sleep(10)
        parts = shares(cluster, before, cluster.pods_of("axbridge-routing"))
        report = simulation.stop()
    assert report["broken_rules"] == {}, report["examples"]
    assert parts[third.name] > 0.15, parts
    cluster.stop(third)
    print(f"a third replica got its share {took:.0f} s after it was ready: {parts[third.name]:.0%}")


def test_every_pod_is_replaced_under_load(cluster: Cluster, tmp_path: Path) -> None:
    old = {pod.name for each in ("routing", "events", "gateway") for pod in cluster.pods_of(f"axbridge-{each}")}
    routing, events = cluster.address_of("axbridge-routing"), cluster.address_of("axbridge-events")
    with (
        Followers(routing, events, tmp_path) as followers,
        Simulation(gateway_of(cluster), "replaced", tmp_path, calls=100_000, rate=15) as simulation,
    ):
        # Everybody follows before anything is replaced.
        until(followers.events)
        for number, deployment in enumerate(("axbridge-routing", "axbridge-events", "axbridge-gateway"), 1):
            cluster.replace(deployment)
            pair = ("--tenant", TENANT, "--access", f"0256600010{number}", "--a", A, "--b", B)
            axbridge("bind", "axb", *pair, routing=routing)
        time.sleep(2)
        report = simulation.stop()
        acknowledged = acknowledged_events(simulation.ack_file)
        until(lambda: acknowledged <= followers.events() and len(followers.changes()) >= 3)
        assert followers.are_following
    new = {pod.name for each in ("routing", "events", "gateway") for pod in cluster.pods_of(f"axbridge-{each}")}
    assert len(old) == len(new) == 6
    assert not old & new
    # Nothing was answered wrongly, late or not at all, and no event needed a second try.
    assert report["broken_rules"] == {}, report["examples"]
    assert set(report["results"]) == {"0000"}
    assert report["calls"] > 500
    count, lost = lost_events(simulation.ack_file, events)
    assert lost == []
    assert count >= report["acknowledged"]
    # Nobody who follows for ever holds up a pod's end: it takes what is in flight, not the drain time of 10 s and more.
    ended = sorted(cluster.stop_seconds[name] for name in old)
    assert ended[len(ended) // 2] < 8, ended
    print(
        f"{len(new)} pods replaced one after the other under {report['calls']} calls: 0 failed, {count} events kept "
        f"and followed; from SIGTERM to the end {ended[0]:.1f} to {ended[-1]:.1f} s"
    )


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + FOLLOW_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.2)
