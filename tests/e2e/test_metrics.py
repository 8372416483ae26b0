"""Three real processes tell Prometheus what happened in them, and nobody's number."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from common.telemetry.names import METRICS
from tests.support.processes import free_port
from tests.support.stack import ACCESS, TENANT, A, B, Stack

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
STRANGER = "13700002222"
WAIT_SECONDS = 30.0
# However slow the machine: nothing is given up, so nothing is done twice.
PATIENCE = {
    "GATEWAY_QUERY_BUDGET": "60",
    "GATEWAY_QUERY_ATTEMPT": "60",
    "GATEWAY_EVENT_BUDGET": "60",
    "GATEWAY_EVENT_ATTEMPT": "60",
    "GATEWAY_TENANT_TIMEOUT": "60",
    "ROUTING_READ_TIMEOUT": "60",
}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Scraped:
    """What a process told, in both formats."""

    def __init__(self, address: str) -> None:
        self.plain = _get(f"http://{address}/metrics", "")
        self.openmetrics = _get(f"http://{address}/metrics", OPENMETRICS)
        families = [*parse_openmetrics(self.openmetrics)]
        self.families = {family.name for family in families}
        self.samples: Samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where each service tells its metrics."""
    prefixes = {"gateway": "GATEWAY", "routing_service": "ROUTING", "event_service": "EVENTS"}
    found = {name: f"127.0.0.1:{free_port()}" for name in prefixes}
    for name, prefix in prefixes.items():
        monkeypatch.setenv(f"AXBRIDGE_{prefix}_METRICS_LISTEN", found[name])
    for name, value in PATIENCE.items():
        monkeypatch.setenv(f"AXBRIDGE_{name}_SECONDS", value)
    return found


@pytest.fixture
def stack(addresses: dict[str, str], tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path) as stack:
        stack.add_tenant()
        stack.bind_axb()
        yield stack


def test_three_processes_tell_what_happened(stack: Stack, addresses: dict[str, str]) -> None:
    # With its first event the gateway gets to know the enterprise.
    assert _post(stack, method="event", code="15", sid="s0") == (200, "")
    for number in range(3):
        assert _result(_post(stack, method="query", sid=f"s{number}", callingNumber=A, accessNumber=ACCESS)) == "0000"
    # Numbers in every place where somebody could put one.
    stranger = _post(stack, method="query", sid=STRANGER, callingNumber=STRANGER, accessNumber=ACCESS)
    assert _result(stranger) == "1004"
    nobody = _post(stack, method="query", vccId=STRANGER, sid="s9", callingNumber=A, accessNumber=ACCESS)
    assert _result(nobody) == "1002"
    assert _post(stack, method=STRANGER)[0] in (200, 400)
    assert _post(stack, method="event", code=STRANGER, sid="s1")[0] == 200

    # Answered queries are recorded a moment later; the one of an unknown enterprise is not.
    events = _until(addresses["event_service"], "axbridge_events_decisions_appended_total", 4)
    # A machine that stands still for a second makes a health check fail; the next one does not.
    for address in addresses.values():
        _until(address, "axbridge_ready", 1)
    _until(addresses["gateway"], "axbridge_gateway_peer_reachable", 1, peer="routing_service")
    gateway, routing = Scraped(addresses["gateway"]), Scraped(addresses["routing_service"])

    count = "axbridge_gateway_query_duration_seconds_count"
    assert gateway.value(count, tenant=TENANT, result="0000") == 3
    assert gateway.value(count, tenant=TENANT, result="1004") == 1
    assert gateway.value(count, tenant="unknown", result="1002") == 1
    assert gateway.value("axbridge_gateway_event_duration_seconds_count", tenant=TENANT, status="200") == 2
    assert gateway.value("axbridge_gateway_batch_size_count", kind="query") == 5

    assert routing.value("axbridge_routing_answers_total", result="0000", source="store") == 3
    assert routing.value("axbridge_rpc_duration_seconds_count", method="RoutingService/ResolveBatch", code="OK") == 5
    assert routing.value("axbridge_routing_cache_mismatches_total") == 0
    assert routing.value("axbridge_database_connections_limit", pool="read") == 8

    assert events.value("axbridge_events_appended_total", outcome="stored") == 2
    assert events.value("axbridge_events_append_queue") == 0

    for process in (gateway, routing, events):
        _check_exposition(process)
    # Each metric that there is in theory is told by somebody.
    assert gateway.families | routing.families | events.families >= {each.family for each in METRICS}


def _check_exposition(process: Scraped) -> None:
    assert [*parse_text(process.plain)]
    for text in (process.plain, process.openmetrics):
        for number in (A, B, ACCESS, STRANGER, A[1:], STRANGER[1:]):
            assert number not in text
        # Nor is anything else that long in a label.
        assert not re.findall(r'="[^"]*\d{7,}[^"]*"', re.sub(r'service_instance_id="[^"]*"', "", text))


def _until(address: str, name: str, value: float, **labels: str) -> Scraped:
    """What the process tells as soon as a metric has this value."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        scraped = Scraped(address)
        if scraped.value(name, **labels) == value:
            return scraped
        assert time.monotonic() < deadline, f"{name} is {scraped.value(name, **labels)}"
        time.sleep(0.05)


def _post(stack: Stack, **fields: str) -> tuple[int, str]:
    body = {"vccId": TENANT, "callId": "c1", "seq": "1", "chargeExt": "", **fields}
    request = urllib.request.Request(
        stack.calls_url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=70) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _result(reply: tuple[int, str]) -> str:
    return str(json.loads(reply[1])["result"])


def _get(url: str, accept: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=70) as response:
        text: str = response.read().decode()
        return text
