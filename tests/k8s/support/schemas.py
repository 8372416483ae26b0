"""Checking manifests against Kubernetes' own schemas, strictly: a field or a kind that nobody knows is an error."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import referencing

from tools.k8s.manifests import Manifest, identity

# The last four minor versions.
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
# Kinds of other projects; no schema of them comes with Kubernetes.
_OWN_SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"


@cache
def _own_schema(kind: str) -> dict[str, Any] | None:
    path = _OWN_SCHEMAS / f"{kind}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@cache
def _validator(kind: str, api_version: str, version: str) -> jsonschema.protocols.Validator | None:
    """Made once for each kind: kubernetes-validate itself reads megabytes of definitions for every manifest."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    group, _, plain_version = api_version.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.partition(".")[0], plain_version) if part)
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    schema = json.loads(path.read_text(encoding="utf-8"))
    registry = _definitions(version) @ (referencing.Resource.from_contents(schema) @ referencing.Registry())
    return jsonschema.Draft202012Validator(schema, registry=registry)


@cache
def _definitions(version: str) -> referencing.Resource[Any]:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    return referencing.Resource.from_contents(json.loads((folder / "_definitions.json").read_text(encoding="utf-8")))


def problem(manifest: Manifest, version: str) -> str | None:
    """What is wrong with a manifest for a Kubernetes version, None when nothing is."""
    own = _own_schema(manifest["kind"])
    validator = _validator(manifest["kind"], manifest["apiVersion"], f"{version}.0") if own is None else None
    if own is None and validator is None:
        return f"{identity(manifest)}: Kubernetes {version} has no such kind"
    try:
        if validator is not None:
            validator.validate(manifest)
        else:
            jsonschema.validate(manifest, own)
    except jsonschema.ValidationError as error:
        return f"{identity(manifest)} on {version}: {error.message} at {list(error.path)}"
    return None
