"""A cluster from the rendered dev manifests, shared by the tests that play calls."""

from collections.abc import Iterator

import pytest

from tests.k8s.support.chart import DEV_VALUES, render
from tests.k8s.support.cluster import Cluster
from tests.k8s.support.platform import ACCESS, TENANT, A, B, axbridge
from tests.k8s.support.volumes import open_path_to


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """PostgreSQL, Redis, the migrations, then two replicas of each service; a tenant with a pair of numbers."""
    directory = tmp_path_factory.mktemp("cluster")
    open_path_to(directory)
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
