"""The workloads from the rendered dev manifests under podman: calls from outside, replicas, and their replacement."""

import time
from pathlib import Path

import pytest

from tests.k8s.support.cluster import Cluster
from tests.k8s.support.platform import Simulation, lost_events
from tests.k8s.support.pods import PodPlan

pytestmark = pytest.mark.timeout(400)
CALLS = 1000


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
    with Simulation(gateway_of(cluster), "replaced", tmp_path, calls=100_000, rate=15) as simulation:
        time.sleep(2)
        for deployment in ("axbridge-routing", "axbridge-events", "axbridge-gateway"):
            cluster.replace(deployment)
        time.sleep(2)
        report = simulation.stop()
    new = {pod.name for each in ("routing", "events", "gateway") for pod in cluster.pods_of(f"axbridge-{each}")}
    assert len(old) == len(new) == 6
    assert not old & new
    # Nothing was answered wrongly, late or not at all, and no event needed a second try.
    assert report["broken_rules"] == {}, report["examples"]
    assert set(report["results"]) == {"0000"}
    assert report["calls"] > 500
    count, lost = lost_events(simulation.ack_file, cluster.address_of("axbridge-events"))
    assert lost == []
    assert count >= report["acknowledged"]
    print(f"{len(new)} pods replaced one after the other under {report['calls']} calls: 0 failed, {count} events kept")


def test_a_pod_of_the_version_before_starts_on_a_later_schema(cluster: Cluster) -> None:
    # As in the middle of an upgrade, or after a roll back: the schema is ahead of the code.
    tables = {"routing": "routing_schema_version", "events": "events_schema_version"}
    (postgres,) = cluster.pods_of("axbridge-postgres")
    for database, table in tables.items():
        current = cluster.psql(postgres, database, f"SELECT version_num FROM {table}").strip()
        cluster.psql(postgres, database, f"UPDATE {table} SET version_num = 'v9999_later'")
        try:
            (pod,) = cluster.start(f"axbridge-{database}")
        finally:
            cluster.psql(postgres, database, f"UPDATE {table} SET version_num = '{current}'")
        cluster.stop(pod)
