"""docs/kubernetes.md: the values that it names are there, and Helm and kubectl understand its commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from common.telemetry.names import METRICS
from tests.k8s.chart.test_values import DEFAULTS, at
from tests.k8s.support.programs import HELMS, KUBECTL, ROOT, output_of

TEXT = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
# Files look like values.
FILES = (".toml", ".yaml", ".md")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands(program: str) -> Iterator[list[str]]:
    """The commands of a program in the page's blocks, without what only a cluster could answer."""
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == [program]:
                yield words


def test_every_value_that_is_named_is_there() -> None:
    named = {
        name
        for name in re.findall(r"`([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)(?:: [^`]*)?`", TEXT)
        if name.split(".")[0] in DEFAULTS
    }
    assert len(named) > 25
    for name in named:
        if not name.endswith(FILES):
            at(DEFAULTS, name)


def test_helm_understands_the_commands(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text("database: {existingSecret: axbridge-database}\n", encoding="utf-8")
    understood = 0
    for words in commands("helm"):
        if words[1] not in ("install", "upgrade"):
            continue
        rest = shlex.split(shlex.join(words[2:]).replace("--values …", "").replace("--values '…'", ""))
        values = [str(tmp_path / word) if word == "ours.yaml" else word for word in rest]
        values = [word.replace("sha256:…", f"sha256:{'a' * 64}") for word in values]
        # An upgrade keeps nothing by itself: what an installation needs at least is given here.
        least = ["--set", "database.existingSecret=a,redis.existingSecret=b"] if words[1] == "upgrade" else []
        rendered = output_of(HELMS["4"], "template", "--kube-version", "1.34.0", *values, *least)
        assert len(list(yaml.safe_load_all(rendered))) > 20
        understood += 1
    assert understood >= 3


def test_kubectl_understands_what_needs_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {}
    for words in commands("kubectl"):
        if "create" not in words:
            continue
        for name in re.findall(r"--from-file=(\S+)", " ".join(words)):
            (tmp_path / name).write_text("content", encoding="utf-8")
        prepared = [re.sub(r"^--from-file=", f"--from-file={tmp_path}/", word) for word in words[1:]]
        made_of = yaml.safe_load(output_of(KUBECTL, *prepared, "--dry-run=client", "--output=yaml"))
        made[made_of["metadata"]["name"]] = set(made_of.get("data", {}))
    assert made["axbridge-database"] == {DEFAULTS["database"]["routingUrlKey"], DEFAULTS["database"]["eventsUrlKey"]}
    assert made["axbridge-redis"] == {DEFAULTS["redis"]["urlKey"]}
    assert made["axbridge-callers"] == {"credentials.toml", "pepper"}
    assert made["axbridge-gateway-key"] == {"api-key"}
    assert made["axbridge-senders"] == {"access.toml"}


def test_the_adapters_rules_make_the_metrics_that_the_autoscalers_ask_for() -> None:
    (rules,) = [yaml.safe_load(block)["rules"]["custom"] for block in blocks("yaml") if "seriesQuery" in block]
    series = {name for metric in METRICS for name in metric.series_names}
    made = set()
    for rule in rules:
        queried = rule["seriesQuery"].partition("{")[0]
        assert queried in series
        name = rule.get("name", {"matches": "^(.*)$", "as": "${1}"})
        made.add(re.sub(name["matches"], name["as"].replace("${1}", r"\1"), queried))
    assert made == {at(DEFAULTS, f"{each}.autoscaling.metric.name") for each in ("routing", "events")}
