"""Render deploy/k8s from the chart: `render_manifests.py --helm HELM --kubectl KUBECTL [--check]`.

The chart is the only source. `base` is the chart with its default values (deploy/k8s/values.yaml names what has no
default); `overlays/dev` and `overlays/production` hold what the chart renders differently with the values file of that
name, as Kustomize resources and patches. The tool checks that each overlay, built by Kustomize, is what Helm renders.
With --check nothing is written: it fails when the files in the repository are not what would be written, the schema of
the values included.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.k8s.manifests import Manifest, identity, patch_between, read_manifests, to_yaml
from tools.k8s.values_schema import updated

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "axbridge"
OUTPUT = ROOT / "deploy" / "k8s"
RELEASE, NAMESPACE = "axbridge", "axbridge"
# Nothing rendered depends on the cluster's version; Helm wants one above the chart's least.
KUBE_VERSION = "1.34.0"
HEADER = "# Rendered from deploy/helm/axbridge by `make manifests`. Change the chart, not this file.\n"
# What a person who applies manifests by hand has no Helm for.
PLAIN_VALUES = OUTPUT / "values.yaml"
OVERLAYS = {"dev": CHART / "values-dev.yaml", "production": CHART / "values-production.yaml"}


def render(helm: Path, *values: Path) -> list[Manifest]:
    """What `helm template` renders. Raises RuntimeError with Helm's own words when it refuses."""
    command = [
        *(str(helm), "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBE_VERSION),
        *(word for path in values for word in ("--values", str(path))),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    manifests = read_manifests(done.stdout)
    for manifest in manifests:
        # The plain files are for people without Helm, and say so.
        _set_labels(manifest)
    return manifests


def _set_labels(manifest: Manifest) -> None:
    places = [manifest["metadata"]]
    template = manifest.get("spec", {}).get("template")
    if isinstance(template, dict):
        places.append(template["metadata"])
    for place in places:
        labels = place["labels"]
        labels.pop("helm.sh/chart", None)
        labels["app.kubernetes.io/managed-by"] = "kustomize"


def files(helm: Path) -> dict[str, str]:
    """Every file below deploy/k8s that is rendered, by its path there."""
    base = render(helm, PLAIN_VALUES)
    written: dict[str, str] = {}
    _write_kinds(written, "base", base)
    resources = [name.removeprefix("base/") for name in written]
    written["base/kustomization.yaml"] = _kustomization({"namespace": NAMESPACE, "resources": resources})
    given = {identity(each): each for each in base}
    for overlay, values in OVERLAYS.items():
        folder = f"overlays/{overlay}"
        wanted = {identity(each): each for each in render(helm, PLAIN_VALUES, values)}
        added: dict[str, str] = {}
        _write_kinds(added, folder, [each for key, each in wanted.items() if key not in given])
        content: dict[str, Any] = {
            "namespace": NAMESPACE,
            "resources": ["../../base", *(name.removeprefix(f"{folder}/") for name in added)],
            "patches": [
                {"target": _target(each), "patch": to_yaml(patch)}
                for key, each in given.items()
                if (patch := patch_between(each, wanted.get(key))) is not None
            ],
        }
        written |= added
        written[f"{folder}/kustomization.yaml"] = _kustomization(content)
    return written


def _write_kinds(written: dict[str, str], folder: str, manifests: list[Manifest]) -> None:
    kinds: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        kinds.setdefault(manifest["kind"], []).append(manifest)
    for kind, members in sorted(kinds.items()):
        written[f"{folder}/{kind.lower()}.yaml"] = HEADER + "---\n".join(map(to_yaml, members))


def _target(manifest: Manifest) -> dict[str, str]:
    group, _, version = manifest["apiVersion"].rpartition("/")
    target = {"version": version, "kind": manifest["kind"], "name": manifest["metadata"]["name"]}
    return {"group": group, **target} if group else target


def _kustomization(content: dict[str, Any]) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return HEADER + to_yaml({**head, **content})


def check_overlays(helm: Path, kubectl: Path, written: dict[str, str]) -> list[str]:
    """Say where an overlay, built by Kustomize from `written`, differs from what Helm renders."""
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in written.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for folder, values in {"base": (), **{f"overlays/{k}": (v,) for k, v in OVERLAYS.items()}}.items():
            built = subprocess.run(
                [str(kubectl), "kustomize", str(Path(scratch) / folder)], check=False, capture_output=True, text=True
            )
            if built.returncode:
                problems.append(f"{folder}: {built.stderr.strip()}")
                continue
            ours = {identity(each): _placed(each) for each in read_manifests(built.stdout)}
            helms = {identity(each): _placed(each) for each in render(helm, PLAIN_VALUES, *values)}
            problems += [f"{folder}: {key} is in one of them only" for key in sorted(ours.keys() ^ helms.keys())]
            problems += [
                f"{folder}: {key} differs" for key in sorted(ours.keys() & helms.keys()) if ours[key] != helms[key]
            ]
    return problems


def _placed(manifest: Manifest) -> Manifest:
    # Kustomize writes the namespace that `helm install` would be given.
    if manifest["kind"] != "Namespace":
        manifest["metadata"]["namespace"] = NAMESPACE
    return manifest


def main() -> int:
    parser = argparse.ArgumentParser(description="Render deploy/k8s from the chart.")
    parser.add_argument("--helm", type=Path, required=True)
    parser.add_argument("--kubectl", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when something is stale")
    arguments = parser.parse_args()
    schema = CHART / "values.schema.json"
    fresh_schema = updated(schema)
    stale = []
    if fresh_schema != schema.read_text(encoding="utf-8"):
        stale.append(schema)
        if not arguments.check:
            schema.write_text(fresh_schema, encoding="utf-8")
    try:
        written = files(arguments.helm)
        problems = check_overlays(arguments.helm, arguments.kubectl, written)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    for problem in problems:
        print(problem, file=sys.stderr)
    kept = {OUTPUT / "README.md", PLAIN_VALUES}
    for path in sorted(OUTPUT.rglob("*")):
        if path.is_file() and path not in kept and str(path.relative_to(OUTPUT)) not in written:
            stale.append(path)
            if not arguments.check:
                path.unlink()
    for name, text in written.items():
        path = OUTPUT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not arguments.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'stale' if arguments.check else 'wrote'}: {path.relative_to(ROOT)}")
    return 1 if problems or (arguments.check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
