"""Every template in every combination of the switches, against the schemas of the last four Kubernetes versions.

A template's output depends on the switches that it reads and on no others, so each template is rendered in every
combination of those: a few hundred renderings of the whole chart, chosen so that they contain them all.
"""

import itertools
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.k8s.support.chart import render
from tests.k8s.support.combinations import render_all
from tests.k8s.support.everything import EVERYTHING, merged
from tests.k8s.support.programs import CHART
from tests.k8s.support.schemas import VERSIONS, problem
from tools.k8s.manifests import identity, read_manifests

SWITCHES: dict[str, tuple[Any, ...]] = {
    "autoscaling.enabled": (False, True),
    "podDisruptionBudget.enabled": (False, True),
    "networkPolicy.enabled": (False, True),
    "topologySpread.enabled": (False, True),
    "serviceAccount.create": (False, True),
    "redis.enabled": (False, True),
    "tls.enabled": (False, True),
    "tls.certManager.enabled": (False, True),
    "tls.clientCertificates": (False, True),
    "credentials.existingSecret": ("", "callers"),
    "gateway.accessSecret": ("", "senders"),
    "serviceMonitor.enabled": (False, True),
    "prometheusRule.enabled": (False, True),
    "dashboards.enabled": (False, True),
    "collector.enabled": (False, True),
    "devDatabases.enabled": (False, True),
    "migration.mode": ("hook", "job", "none"),
    "namespace.create": (False, True),
    "ingress.enabled": (False, True),
    "ingress.className": ("nginx", "alb", "haproxy", "other"),
}
TEMPLATES = sorted(path.name for path in (CHART / "templates").glob("*.yaml"))
CHUNK = 64


@cache
def definitions() -> dict[str, str]:
    """The named templates of the chart by their names."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (CHART / "templates").glob("*.tpl"))
    parts = re.split(r'\{\{-? define "([^"]+)" -?\}\}', text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def text_with_includes(text: str, seen: frozenset[str] = frozenset()) -> str:
    for name in set(re.findall(r'include "([^"]+)"', text)) - seen:
        text += text_with_includes(definitions()[name], seen | {name})
    return text


def switches_of(template: str) -> list[str]:
    """The switches that a template reads, by itself or through what it includes."""
    lines = (CHART / "templates" / template).read_text(encoding="utf-8").splitlines()
    # A checksum is of something that is rendered, in every combination, in a place of its own.
    text = text_with_includes("\n".join(line for line in lines if "| sha256sum" not in line))
    return [switch for switch in SWITCHES if _reads(text, switch)]


def _reads(text: str, switch: str) -> bool:
    group, _, rest = switch.partition(".")
    # By its path, or together with the rest of its group.
    whole = rf"(with|range|:=) [^}}]*\.Values\.{group}[ }}\n]"
    return re.search(rf"\.Values\.{switch}\b|\$values\.{rest}\b|{whole}", text) is not None


def wanted_parts() -> Iterator[dict[str, Any]]:
    for template in TEMPLATES:
        names = switches_of(template)
        for choice in itertools.product(*(SWITCHES[name] for name in names)):
            yield dict(zip(names, choice, strict=True))


@cache
def combinations() -> tuple[dict[str, Any], ...]:
    """Settings of all switches that contain, for each template, every combination of those that it reads."""
    chance = random.Random(7)
    missing = {tuple(sorted(part.items())) for part in wanted_parts()}
    chosen = []
    while missing:
        # The first one that is missing decides its switches, chance the others.
        part = dict(min(missing))
        combination = {name: part.get(name, chance.choice(values)) for name, values in SWITCHES.items()}
        chosen.append(combination)
        missing = {each for each in missing if any(combination[name] != value for name, value in each)}
    return tuple(chosen)


def values_of(switches: dict[str, Any]) -> dict[str, Any]:
    """EVERYTHING with the switches set, and what a combination needs for want of something else."""
    values = merged(
        EVERYTHING,
        {
            "serviceAccount": {"existingName": "shared"},
            "tls": {"secrets": {"gateway": "a", "routing": "b", "events": "c"}},
        },
    )
    if switches["devDatabases.enabled"] and switches["migration.mode"] != "hook":
        values = merged(values, {"database": {"existingSecret": ""}, "redis": {"existingSecret": ""}})
    for path, value in switches.items():
        nested: Any = value
        for name in reversed(path.split(".")):
            nested = {name: nested}
        values = merged(values, nested)
    return values


@pytest.mark.timeout(600)
def test_every_template_renders_in_every_combination(tmp_path: Path) -> None:
    chunks = [combinations()[start : start + CHUNK] for start in range(0, len(combinations()), CHUNK)]

    def render_chunk(number: int) -> list[dict[str, list[str]]]:
        return render_all([values_of(each) for each in chunks[number]], tmp_path / str(number))

    with ThreadPoolExecutor(2) as pool:
        rendered = [each for chunk in pool.map(render_chunk, range(len(chunks))) for each in chunk]

    assert {template for each in rendered for template in each} == {f"templates/{name}" for name in TEMPLATES}
    documents = {text for each in rendered for texts in each.values() for text in texts}
    manifests = {text: read_manifests(text) for text in documents}
    problems = [
        found
        for text in documents
        for manifest in manifests[text]
        for version in VERSIONS
        if (found := problem(manifest, version))
    ]
    assert not problems, "\n".join(problems[:20])
    for each in rendered:
        names = [identity(manifest) for texts in each.values() for text in texts for manifest in manifests[text]]
        assert len(names) == len(set(names))
    parts = sum(1 for _ in wanted_parts())
    print(f"{parts} combinations in {len(rendered)} renderings, {len(documents)} documents, on {', '.join(VERSIONS)}")


def test_what_no_version_knows_is_found() -> None:
    deployment = next(each for each in render(EVERYTHING) if each["kind"] == "Deployment")
    deployment["spec"]["replica"] = 3
    assert "replica" in (problem(deployment, VERSIONS[0]) or "")
    assert "no such kind" in (problem({**deployment, "kind": "Deploiment"}, VERSIONS[0]) or "")


@pytest.mark.parametrize("number", range(0, 60, 10))
def test_both_helms_render_the_same(number: int) -> None:
    values = values_of(combinations()[number])
    ours = {identity(each): each for each in render(values, helm="3")}
    assert ours == {identity(each): each for each in render(values, helm="4")}
