"""Rendering the chart."""

from pathlib import Path
from typing import Any

from tests.k8s.support.programs import CHART, HELMS, output_of
from tools.k8s.manifests import Manifest, read_manifests, to_yaml

DEV_VALUES = CHART / "values-dev.yaml"
PRODUCTION_VALUES = CHART / "values-production.yaml"


def render(
    values: dict[str, Any] | None = None, *, files: tuple[Path, ...] = (), helm: str = "4", release: str = "axbridge"
) -> list[Manifest]:
    """The manifests for values files and then values. Raises ProgramFailedError with Helm's words when it refuses."""
    return read_manifests(render_text(values, files=files, helm=helm, release=release))


def render_text(
    values: dict[str, Any] | None = None, *, files: tuple[Path, ...] = (), helm: str = "4", release: str = "axbridge"
) -> str:
    return output_of(
        *(HELMS[helm], "template", release, CHART, "--namespace", "axbridge", "--kube-version", "1.34.0"),
        *(word for path in files for word in ("--values", path)),
        *("--values", "-"),
        stdin=to_yaml(values or {}),
    )
