"""Rendering the chart with many values at once: as the subcharts of one chart, each under a name of its own.

One run of Helm then renders hundreds of combinations, which is what makes trying all of them affordable.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.k8s.support.programs import CHART, HELMS, output_of
from tools.k8s.manifests import to_yaml

_NAME = re.compile(r"c\d{5}")
_SOURCE = re.compile(r"^# Source: [^/]+/charts/(c\d{5})/(templates/\S+)$", re.MULTILINE)


def render_all(combinations: Sequence[dict[str, Any]], directory: Path, helm: str = "4") -> list[dict[str, list[str]]]:
    """For each combination the documents by the template that they are from, named as if it were installed alone."""
    if directory.exists():
        shutil.rmtree(directory)
    shutil.copytree(CHART, directory / "charts" / "axbridge")
    names = [f"c{number:05d}" for number in range(len(combinations))]
    chart = {
        "apiVersion": "v2",
        "name": "all",
        "version": "0.1.0",
        "dependencies": [{"name": "axbridge", "version": "0.1.0", "alias": name} for name in names],
    }
    (directory / "Chart.yaml").write_text(to_yaml(chart), encoding="utf-8")
    values = {
        name: {"fullnameOverride": name, **combination} for name, combination in zip(names, combinations, strict=True)
    }
    (directory / "values.yaml").write_text(to_yaml(values), encoding="utf-8")
    text = output_of(HELMS[helm], "template", "axbridge", directory, "--namespace", "axbridge", timeout_seconds=600)
    rendered: dict[str, dict[str, list[str]]] = {name: {} for name in names}
    for document in re.split(r"^---$", text, flags=re.MULTILINE):
        source = _SOURCE.search(document)
        if source:
            name, template = source.groups()
            body = _NAME.sub("axbridge", document[source.end() :]).strip()
            if body:
                rendered[name].setdefault(template, []).append(body)
    return [rendered[name] for name in names]
