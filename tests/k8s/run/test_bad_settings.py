"""A pod with something wrong in its settings says so in one clear line, is never ready, and ends with an error."""

import copy
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.k8s.support.chart import DEV_VALUES, render
from tests.k8s.support.cluster import Cluster, PodFailedError
from tests.k8s.support.everything import merged
from tests.k8s.support.guards import secret
from tests.k8s.support.volumes import open_path_to
from tools.k8s.manifests import Manifest

# What is wrong is found in the files and settings: nothing that it could connect to is there.
END_SECONDS = 30.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    open_path_to(tmp_path)
    return tmp_path


def certificate(valid: timedelta) -> dict[str, str | bytes]:
    """A self-signed certificate that began 10 days ago and ends `valid` from now, as cert-manager would store it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "axbridge-routing")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + valid)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"tls.crt": pem, "tls.key": private, "ca.crt": pem}


def only_line(cluster: Cluster, deployment: str) -> str:
    """The one line by which a pod says why it can't start. It was never ready and ended by itself with an error."""
    (pod,) = cluster.start(deployment, wait=False)
    deadline = time.monotonic() + END_SECONDS
    while (state := cluster.state(pod))["Running"]:
        assert time.monotonic() < deadline, f"{pod.name} runs with settings that are wrong:\n{cluster.log(pod)}"
        assert not cluster.is_ready(pod)
        time.sleep(0.1)
    assert state["ExitCode"] in (1, 2)
    with pytest.raises(PodFailedError):
        cluster.wait_ready(pod, 1)
    # What went well until then may be told too; what is wrong is the last line, and the only one of its kind.
    *before, line = cluster.log(pod).splitlines()
    assert all(json.loads(each)["level"] == "info" for each in before), before
    return line


def rendered(values: dict[str, Any]) -> list[Manifest]:
    return render(merged({"devDatabases": {"password": "only-for-trying"}}, values), files=(DEV_VALUES,))


def tls_values() -> dict[str, Any]:
    names = {"gateway": "gateway-tls", "routing": "routing-tls", "events": "events-tls"}
    return {"tls": {"enabled": True, "secrets": names}, "credentials": {"existingSecret": "callers"}}


@pytest.fixture
def broken(request: pytest.FixtureRequest, directory: Path) -> Iterator[tuple[Cluster, str, list[str]]]:
    """A cluster with one thing wrong, the Deployment that must notice, and what its line must hold."""
    manifests, deployment, words = request.param()
    with Cluster("axbad", manifests, directory) as cluster:
        yield cluster, deployment, words


def without_database_url() -> tuple[list[Manifest], str, list[str]]:
    manifests = copy.deepcopy(rendered({}))
    for each in manifests:
        if each["kind"] == "Secret" and each["metadata"]["name"] == "axbridge-database":
            each["data"]["routing-database-url"] = ""
    return manifests, "axbridge-routing", ["AXBRIDGE_ROUTING_DATABASE_URL"]


def without_events_database_url() -> tuple[list[Manifest], str, list[str]]:
    manifests = copy.deepcopy(rendered({}))
    for each in manifests:
        if each["kind"] == "Secret" and each["metadata"]["name"] == "axbridge-database":
            each["data"]["events-database-url"] = ""
    return manifests, "axbridge-events", ["AXBRIDGE_EVENTS_DATABASE_URL"]


def tenant_file_with_an_error() -> tuple[list[Manifest], str, list[str]]:
    access = secret("senders", {"access.toml": '[[tenant]]\nid = "100001"\nnetworks = ["10.0.0.0/99"]\n'})
    manifests = rendered({"gateway": {"accessSecret": "senders"}})
    return [*manifests, access], "axbridge-gateway", ["10.0.0.0/99", "tenant[0]"]


def expired_certificate() -> tuple[list[Manifest], str, list[str]]:
    files = certificate(timedelta(days=-1))
    return (
        [*rendered(tls_values()), secret("gateway-tls", files)],
        "axbridge-gateway",
        ["/etc/axbridge/tls/tls.crt", "expired"],
    )


def key_of_another_certificate() -> tuple[list[Manifest], str, list[str]]:
    files = {**certificate(timedelta(days=1)), "tls.key": certificate(timedelta(days=1))["tls.key"]}
    return (
        [*rendered(tls_values()), secret("gateway-tls", files)],
        "axbridge-gateway",
        ["/etc/axbridge/tls/tls.key"],
    )


def database_that_is_not_there() -> tuple[list[Manifest], str, list[str]]:
    return rendered({}), "axbridge-routing", ["AXBRIDGE_ROUTING_DATABASE_URL", "reached"]


def setting_that_is_none() -> tuple[list[Manifest], str, list[str]]:
    variable = {"name": "AXBRIDGE_GATEWAY_QUERY_BUDGET_SECONDS", "value": "soon"}
    return rendered({"gateway": {"extraEnv": [variable]}}), "axbridge-gateway", [variable["name"]]


@pytest.mark.parametrize(
    "broken",
    [
        without_database_url,
        without_events_database_url,
        tenant_file_with_an_error,
        expired_certificate,
        key_of_another_certificate,
        database_that_is_not_there,
        setting_that_is_none,
    ],
    indirect=True,
    ids=lambda make: make.__name__.replace("_", " "),
)
def test_it_is_said_in_one_line(broken: tuple[Cluster, str, list[str]]) -> None:
    cluster, deployment, words = broken
    line = only_line(cluster, deployment)
    assert all(word in line for word in words), line
    assert "Traceback" not in line
    if line.startswith("{"):
        assert json.loads(line)["level"] == "error"
