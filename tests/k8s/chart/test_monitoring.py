"""What Prometheus, the autoscalers, the alerts and the dashboards ask for is what the services tell."""

import re
from typing import Any

import pytest

from common.telemetry.names import METRICS
from tests.k8s.support.programs import CHART
from tools.k8s.manifests import Manifest, to_yaml

SERIES = {name for metric in METRICS for name in metric.series_names}
MONITORED = ("gateway", "routing", "events")


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert selector.keys() == {"matchLabels"}
    return bool(selector["matchLabels"].items() <= labels.items())


def test_every_pod_is_read_once_on_its_metrics_port(everything: list[Manifest]) -> None:
    monitors = of_kind(everything, "ServiceMonitor")
    assert {each["metadata"]["name"] for each in monitors} == {f"axbridge-{name}" for name in MONITORED}
    deployments = {each["metadata"]["name"]: each for each in of_kind(everything, "Deployment")}
    configs = {each["metadata"]["name"]: each["data"] for each in of_kind(everything, "ConfigMap")}
    for monitor in monitors:
        name = monitor["metadata"]["name"]
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["path"] == "/metrics"
        services = of_kind(everything, "Service")
        (service,) = [each for each in services if selects(monitor["spec"]["selector"], each["metadata"]["labels"])]
        (port,) = [each for each in service["spec"]["ports"] if each["name"] == endpoint["port"]]
        template = deployments[name]["spec"]["template"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        (container,) = template["spec"]["containers"]
        numbers = {each["name"]: each["containerPort"] for each in container["ports"]}
        prefix = f"AXBRIDGE_{name.removeprefix('axbridge-').upper()}_"
        assert configs[name][f"{prefix}METRICS_LISTEN"] == f"0.0.0.0:{numbers[port['targetPort']]}"


def test_the_autoscalers_ask_for_metrics_that_there_are(everything: list[Manifest]) -> None:
    asked = {
        metric["pods"]["metric"]["name"]
        for each in of_kind(everything, "HorizontalPodAutoscaler")
        for metric in each["spec"]["metrics"]
        if metric["type"] == "Pods"
    }
    assert len(asked) == 2
    # A rate is what an adapter makes of a counter, by docs/kubernetes.md.
    assert {re.sub(r"_per_second$", "_total", name) for name in asked} <= SERIES


@pytest.mark.parametrize("kind", ["alerts", "dashboards"])
def test_every_expression_is_about_metrics_that_there_are(kind: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted((CHART / "files" / kind).iterdir())]
    named = {name for text in texts for name in re.findall(r"\b(?:axbridge|process)_[a-z_]+\b(?!-)", text)}
    assert texts
    assert not named - SERIES


def test_the_objects_hold_the_files_as_they_are(everything: list[Manifest]) -> None:
    names = {each["metadata"]["name"] for each in everything}
    alerts = sorted((CHART / "files" / "alerts").iterdir())
    dashboards = sorted((CHART / "files" / "dashboards").iterdir())
    assert {f"axbridge-{path.stem}" for path in alerts} <= names
    assert {f"axbridge-dashboard-{path.stem}" for path in dashboards} <= names
    shown = to_yaml([each for each in everything if each["kind"] == "ConfigMap"])
    assert all(path.name in shown for path in dashboards)
