"""Kubernetes manifests as plain values: reading, identity, writing, and the difference of two as a Kustomize patch."""

from typing import Any

import yaml

Manifest = dict[str, Any]
Key = tuple[str, str]


class _BlockText(yaml.SafeDumper):
    """Writes text of several lines as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_BlockText.add_representer(str, _text)


def read_manifests(text: str) -> list[Manifest]:
    """The documents of a YAML stream, but for empty ones."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for each in yaml.load_all(text, Loader=loader) if each]


def identity(manifest: Manifest) -> Key:
    """What an object is known by within its namespace."""
    return manifest["kind"], manifest["metadata"]["name"]


def to_yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_BlockText, sort_keys=False, width=120, allow_unicode=True)


def patch_between(before: Manifest, after: Manifest | None) -> list[dict[str, Any]] | Manifest | None:
    """What turns `before` into `after`: JSON patch operations, a deleting patch for None, None when they are equal."""
    if after is None:
        return {
            "apiVersion": before["apiVersion"],
            "kind": before["kind"],
            "metadata": {"name": before["metadata"]["name"]},
            "$patch": "delete",
        }
    operations = list(_operations("", before, after))
    return operations or None


def _operations(path: str, before: Any, after: Any) -> list[dict[str, Any]]:
    if before == after:
        return []
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [{"op": "replace", "path": path, "value": after}]
    found = [{"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in before if key not in after]
    for key, value in after.items():
        place = f"{path}/{_escaped(key)}"
        if key not in before:
            found.append({"op": "add", "path": place, "value": value})
        else:
            found += _operations(place, before[key], value)
    return found


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
