"""The workloads with every guard: mutual TLS by cert-manager's Secrets, API keys, tokens of platforms; and changes."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from common.auth.api_keys import ApiKey, Pepper, generate_api_key
from common.tls import TlsFiles
from tests.k8s.support.chart import DEV_VALUES, render
from tests.k8s.support.cluster import Cluster
from tests.k8s.support.guards import certificate_secrets, key_entry, platform_entry, secret
from tests.k8s.support.platform import ACCESS, TENANT, A, B, Simulation, axbridge
from tests.k8s.support.programs import ProgramFailedError
from tests.k8s.support.volumes import open_path_to
from tests.support.certificates import CertificateAuthority
from tools.k8s.manifests import Manifest

pytestmark = pytest.mark.timeout(400)
TOKEN = "a-token-that-only-the-platform-knows"
PEPPER = "p" * 40
SERVICES = ("axbridge-routing", "axbridge-events", "axbridge-gateway")
# A changed Secret is read within about a second; a busy machine may take longer.
CHANGE_SECONDS = 60.0
VALUES = {
    "tls": {"enabled": True, "certManager": {"enabled": True}},
    "credentials": {"existingSecret": "callers"},
    "gateway": {"accessSecret": "senders", "apiKeySecret": "gateway-key"},
}


@dataclass(frozen=True, slots=True)
class Keys:
    """One for each system that has one."""

    operators: ApiKey
    gateway: ApiKey


def callers(*known: Keys) -> Manifest:
    """The Secret that says who may call the routing and the event service."""
    pepper = Pepper(PEPPER.encode())
    entries = [key_entry(each.operators, pepper, "operators", ["read", "write", "admin"]) for each in known]
    entries += [key_entry(each.gateway, pepper, "gateway", ["gateway"]) for each in known]
    return secret("callers", {"credentials.toml": "\n".join(entries), "pepper": PEPPER})


@dataclass(frozen=True, slots=True)
class Guarded:
    """A cluster that asks everybody who they are, and an operator whom it knows."""

    cluster: Cluster
    manifests: list[Manifest]
    authority: CertificateAuthority
    directory: Path
    operator: TlsFiles
    keys: Keys

    def environment(self, service: str, key: ApiKey | None) -> dict[str, str]:
        """How the command line shows who it is, and whom it believes to be the service."""
        shown = {
            "AXBRIDGE_TLS_CA_FILE": str(self.operator.ca_file),
            "AXBRIDGE_TLS_CERT_FILE": str(self.operator.cert_file),
            "AXBRIDGE_TLS_KEY_FILE": str(self.operator.key_file),
            # The tests come in over loopback; the certificate is the Service's.
            "AXBRIDGE_TLS_SERVER_NAME": service,
        }
        if key is None:
            return shown
        key_file = self.directory / f"{key.key_id}.apikey"
        key_file.write_text(key.text, encoding="ascii")
        return {**shown, "AXBRIDGE_API_KEY_FILE": str(key_file)}

    def bindings(self, env: dict[str, str]) -> str:
        address = self.cluster.address_of("axbridge-routing")
        return axbridge("bindings", "list", "--tenant", TENANT, "--json", routing=address, env=env)

    def is_known(self, service: str, keys: Keys) -> bool:
        """Whether a service takes the operators' key of these."""
        env, address = self.environment(service, keys.operators), self.cluster.address_of(service)
        words = ("bindings", "list") if service == "axbridge-routing" else ("calls", "list")
        try:
            axbridge(*words, "--tenant", TENANT, routing=address, events=address, env=env)
        except ProgramFailedError as error:
            assert "not known" in str(error), error
            return False
        return True


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    open_path_to(directory)
    manifests = render(VALUES, files=(DEV_VALUES,))
    authority = CertificateAuthority.create()
    with Cluster("axtls", manifests, directory / "volumes") as cluster:
        made = Guarded(
            cluster,
            manifests,
            authority,
            directory,
            authority.issue(directory / "operator", "operators"),
            Keys(generate_api_key(), generate_api_key()),
        )
        cluster.apply(certificate_secrets(manifests, authority, directory / "certificates"))
        cluster.apply([secret("senders", {"access.toml": platform_entry(TENANT, TOKEN)})])
        cluster.apply([secret("gateway-key", {"api-key": made.keys.gateway.text}), callers(made.keys)])
        cluster.start("axbridge-postgres")
        cluster.start("axbridge-redis")
        cluster.run_job("axbridge-migration-0-1-0")
        for deployment in SERVICES:
            cluster.start(deployment)
        address, env = cluster.address_of("axbridge-routing"), made.environment("axbridge-routing", made.keys.operators)
        axbridge("tenant", "add", TENANT, "--name", "Sample", routing=address, env=env)
        axbridge("bind", "axb", "--tenant", TENANT, "--access", ACCESS, "--a", A, "--b", B, routing=address, env=env)
        yield made


def test_calls_go_through_every_guard(guarded: Guarded, tmp_path: Path) -> None:
    gateway = guarded.cluster.address_of("axbridge-gateway")
    with Simulation(gateway, "guarded", tmp_path, calls=60, rate=20, token=TOKEN) as simulation:
        report = simulation.wait(120)
    assert report["broken_rules"] == {}, report["examples"]
    assert (report["calls"], report["passed"]) == (60, True)
    assert report["acknowledged"] == report["events"] > 60


def test_who_can_not_say_who_he_is_gets_nothing(guarded: Guarded, tmp_path: Path) -> None:
    known = guarded.environment("axbridge-routing", guarded.keys.operators)
    assert ACCESS[1:] in guarded.bindings(known)
    stranger = CertificateAuthority.create("another authority").issue(tmp_path / "stranger", "operators")
    refused = {
        "without a key": guarded.environment("axbridge-routing", None),
        "in the clear": {},
        "with a certificate of nobody we know": {
            **known,
            "AXBRIDGE_TLS_CERT_FILE": str(stranger.cert_file),
            "AXBRIDGE_TLS_KEY_FILE": str(stranger.key_file),
        },
        "believing another service to be it": guarded.environment("axbridge-events", guarded.keys.operators),
    }
    for how, env in refused.items():
        with pytest.raises(ProgramFailedError) as failure:
            guarded.bindings(env)
        assert ACCESS[1:] not in str(failure.value), how


def test_a_platform_without_its_token_gets_nothing(guarded: Guarded, tmp_path: Path) -> None:
    gateway = guarded.cluster.address_of("axbridge-gateway")
    with Simulation(gateway, "unknown", tmp_path, calls=5, rate=20, token="a-wrong-one") as simulation:
        report = simulation.wait(120)
    assert set(report["results"]) == {"1007"}
    assert report["acknowledged"] == 0


def test_certificates_and_keys_are_changed_under_load(guarded: Guarded, tmp_path: Path) -> None:
    cluster, serial = guarded.cluster, serial_shown(guarded, "axbridge-routing")
    later = Keys(generate_api_key(), generate_api_key())
    with Simulation(
        cluster.address_of("axbridge-gateway"), "changed", tmp_path, calls=100_000, rate=15, token=TOKEN
    ) as simulation:
        time.sleep(2)
        # As cert-manager renews them: new keys and certificates of the same authority.
        cluster.change(certificate_secrets(guarded.manifests, guarded.authority, guarded.directory / "renewed"))
        until(lambda: serial_shown(guarded, "axbridge-routing") != serial)
        # Keys: the services learn of the new ones, then who holds them changes over, then the old ones end.
        cluster.change([callers(guarded.keys, later)])
        for service in ("axbridge-routing", "axbridge-events"):
            until(lambda service=service: guarded.is_known(service, later))  # type: ignore[misc]
        cluster.change([secret("gateway-key", {"api-key": later.gateway.text})])
        time.sleep(3)
        cluster.change([callers(later)])
        until(lambda: not guarded.is_known("axbridge-routing", guarded.keys))
        time.sleep(2)
        report = simulation.stop()
    assert report["broken_rules"] == {}, report["examples"]
    assert set(report["results"]) == {"0000"}
    assert report["calls"] > 20


def serial_shown(guarded: Guarded, service: str) -> int:
    """The serial number of the certificate that a Service's pod shows."""
    host, _, port = guarded.cluster.address_of(service).partition(":")
    own = (str(guarded.operator.cert_file), str(guarded.operator.key_file))
    context = ssl.create_default_context(cafile=str(guarded.operator.ca_file))
    context.load_cert_chain(*own)
    with (
        socket.create_connection((host, int(port)), 10) as connection,
        context.wrap_socket(connection, server_hostname=service) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CHANGE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing changed"
        time.sleep(0.2)
