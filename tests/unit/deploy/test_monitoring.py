"""Alerts and dashboards speak of metrics that there are, and every alert says what to do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.telemetry.definitions import MetricDefinition
from common.telemetry.names import METRICS

ROOT = Path(__file__).resolve().parents[3]
ALERTS = sorted((ROOT / "deploy/monitoring/alerts").glob("*.yaml"))
DASHBOARDS = sorted((ROOT / "deploy/monitoring/dashboards").glob("*.json"))
TESTS = ROOT / "deploy/monitoring/tests"
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")

# What Prometheus itself and Kubernetes' exporters have.
OTHERS = re.compile(r"up|kube_\w+|container_\w+")
# Put on by Prometheus, or by a rule.
TARGET_LABELS = {"instance", "job", "namespace", "pod", "le", "via"}
BY_SERIES: dict[str, MetricDefinition] = {name: each for each in METRICS for name in each.series_names}
_NAME = re.compile(
    r"(?<![\w$:\"/.-])([a-zA-Z_:][a-zA-Z0-9_:]*)(?=\s*(?:\{|\[|\)|$|\s(?:[<>=*/+-]|and|or|unless)))", re.M
)
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_FUNCTIONS = {"and", "or", "unless", "by", "without", "on", "ignoring", "bool"}


def rules() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in ALERTS:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield path.name, rule


def panels() -> Iterator[tuple[str, str]]:
    """Every expression of a dashboard."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.name}: {panel['title']}", target["expr"]


def expressions() -> list[tuple[str, str]]:
    of_rules = [(rule.get("alert") or rule["record"], rule["expr"]) for _, rule in rules()]
    return [*of_rules, *panels()]


RECORDED = {rule["record"] for _, rule in rules() if "record" in rule}


def metric_names(expression: str) -> set[str]:
    bare = _GROUPING.sub("", re.sub(r'"[^"]*"', '""', expression))
    return {name for name in _NAME.findall(bare) if name not in _FUNCTIONS}


def test_the_names_in_an_expression_are_found() -> None:
    expression = 'clamp_min(1 - sum by (a) (rate(x_total{k="v"}[5m])) / (sum(y:z) - up), 0) > 0.1 and absent(w) == 1'
    assert metric_names(expression) == {"x_total", "y:z", "up", "w"}


def test_there_is_something_to_look_at() -> None:
    assert {path.name for path in ALERTS} >= {"services.yaml", "slo.yaml", "kubernetes.yaml"}
    assert {path.name for path in DASHBOARDS} >= {"calls.json", "inside.json", "deliveries.json"}
    assert len({name for _, expression in expressions() for name in metric_names(expression)}) > 50


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_only_metrics_that_there_are_are_asked_for(where: str, expression: str) -> None:
    names = metric_names(expression)
    assert names, where
    assert not {
        name for name in names if name not in BY_SERIES | dict.fromkeys(RECORDED) and not OTHERS.fullmatch(name)
    }


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_only_labels_that_they_have_are_asked_for(where: str, expression: str) -> None:
    for name, selector in _SELECTOR.findall(expression):
        if (metric := BY_SERIES.get(name)) is None:
            continue
        asked = dict(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', selector))
        assert set(asked) <= {*metric.labels, *TARGET_LABELS}, where
        if "le" in asked:
            assert asked["le"] in {str(bound) for bound in metric.bounds} | {"+Inf"}, where


@pytest.mark.parametrize("rule", [rule for _, rule in rules() if "alert" in rule], ids=lambda rule: str(rule["alert"]))
def test_every_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert re.search(rf"^### {rule['alert']}$", OPERATIONS, re.M), "docs/operations.md has no section for it"


def test_nothing_is_explained_that_is_no_alert() -> None:
    explained = set(re.findall(r"^### (Axbridge\w+)$", OPERATIONS, re.M))
    assert explained == {rule["alert"] for _, rule in rules() if "alert" in rule}


def test_every_alert_is_tested_by_promtool() -> None:
    tested = set()
    for path in TESTS.glob("*.yaml"):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            tested |= {each["alertname"] for each in test["alert_rule_test"] if each["exp_alerts"]}
    assert tested == {rule["alert"] for _, rule in rules() if "alert" in rule}


def test_dashboards_have_ids_of_their_own() -> None:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS]
    assert len({each["uid"] for each in found}) == len(found)
    for each in found:
        ids = [panel["id"] for panel in each["panels"]]
        assert len(set(ids)) == len(ids)
