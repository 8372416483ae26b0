"""A cluster from the rendered dev manifests, shared by the tests that play calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.k8s.support.chart import DEV_VALUES, render
from tests.k8s.support.cluster import Cluster
from tests.k8s.support.platform import ACCESS, TENANT, A, B, axbridge


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """PostgreSQL, Redis, the migrations, then two replicas of each service; a tenant with a pair of numbers."""
    directory = tmp_path_factory.mktemp("cluster")
    _open_path_to(directory)
    with Cluster("axk8s", render(files=(DEV_VALUES,)), directory) as cluster:
        cluster.start("axbridge-postgres")
        cluster.start("axbridge-redis")
        log = cluster.run_job("axbridge-migration-0-1-0")
        assert "the event database has this version's schema" in log
        for deployment in ("axbridge-routing", "axbridge-events", "axbridge-gateway"):
            cluster.start(deployment, 2)
        routing = cluster.address_of("axbridge-routing")
        axbridge("tenant", "add", TENANT, "--name", "Sample", routing=routing)
        pair = ("--tenant", TENANT, "--access", ACCESS, "--a", A, "--b", B)
        axbridge("bind", "axb", *pair, "--charge-ext", "8001", routing=routing)
        yield cluster


def _open_path_to(directory: Path) -> None:
    """Let the pods' users pass through pytest's private directories to their volumes."""
    for parent in (directory, *directory.parents):
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
