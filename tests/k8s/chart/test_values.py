"""The values: each one counts, each wrong one is refused by its name, and the schema knows them all."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from tests.k8s.support.chart import render, render_text
from tests.k8s.support.everything import EVERYTHING, VARIANTS, merged
from tests.k8s.support.programs import CHART, HELMS, ProgramFailedError

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
WORKERS = 2
BOOLEAN = {"type": "boolean"}

# Values for leaves that can't be changed without knowing what they mean.
OTHER_VALUES: dict[str, Any] = {
    "image.digest": f"sha256:{'a' * 64}",
    "image.tag": "1.2.3",
    "fullnameOverride": "other",
    "nameOverride": "other",
    "migration.mode": "none",
    "database.routingUrl": "postgresql+asyncpg://other@db/routing",
    "database.eventsUrl": "postgresql+asyncpg://other@db/events",
    "redis.url": "redis://other:6379/0",
    "gateway.routingTarget": "routing.other:50051",
    "gateway.eventsTarget": "events.other:50052",
    "tracing.endpoint": "https://other.monitoring:4318",
    "collector.exportEndpoint": "other.monitoring:4318",
    "ingress.path": "/other",
    "tls.certManager.duration": "1000h",
    "tls.certManager.renewBefore": "100h",
    "devDatabases.password": "other",
    "serviceAccount.existingName": "other",
}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return resolved(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]])
    return schema


def leaves(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every value that can be set, by its dotted path, with its schema."""
    schema = resolved(schema)
    properties = schema.get("properties")
    if not properties or path[-1:] == ("peer",):
        yield ".".join(path), schema
        return
    for name, inner in properties.items():
        if path or name != "global":
            yield from leaves(inner, (*path, name))


LEAVES = dict(leaves(SCHEMA))


def at(values: dict[str, Any], path: str) -> Any:
    """The value at a dotted path. Raises KeyError when there is none."""
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return found


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value  # type: ignore[no-any-return] # the path has at least one name


def other(path: str, schema: dict[str, Any]) -> Any:
    """A value that the schema takes and that is not the default."""
    if path in OTHER_VALUES:
        return OTHER_VALUES[path]
    try:
        default = at(DEFAULTS, path)
    except KeyError:
        default = None
    name = path.rpartition(".")[2]
    choices = schema.get("enum") or next((each["enum"] for each in schema.get("anyOf", []) if "enum" in each), None)
    if choices:
        return next(choice for choice in choices if choice != default)
    if "Peers" in name or name == "peers":
        return [{"ipBlock": {"cidr": "198.51.100.0/24"}}]
    if name in ("webhookCidrs", "webhookExceptCidrs"):
        return ["0.0.0.0/0"] if name == "webhookCidrs" and default != ["0.0.0.0/0"] else ["198.51.100.0/24"]
    kinds = set(_types(schema)) | {kind for each in schema.get("anyOf", []) for kind in _types(each)}
    if "boolean" in kinds:
        return not default
    if "integer" in kinds or "number" in kinds:
        if isinstance(default, str):
            return "321m"
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        return min(max(low, (default or 0)) + 1, schema.get("maximum", 10**9) if default is None else 10**9)
    if "array" in kinds:
        return {
            "webhookPorts": [8443],
            "imagePullSecrets": ["other"],
            "extraEnv": [{"name": "OTHER", "value": "1"}],
            "extraVolumes": [{"name": "other", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "tmp", "mountPath": "/other"}],
            "tolerations": [{"key": "other", "operator": "Exists"}],
        }.get(name, ["192.0.2.0/24"])
    if "object" in kinds:
        return {"nodeAffinity": {}} if name == "affinity" else {"example.com/other": "1"}
    return "321m" if isinstance(default, str) and default[:1].isdigit() else "other"


def _types(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return kind if isinstance(kind, list) else [kind]


@pytest.fixture(scope="module")
def baselines() -> list[tuple[dict[str, Any], str]]:
    values = [merged(EVERYTHING, variant) for variant in VARIANTS]
    return [(each, render_text(each)) for each in values]


def test_every_value_has_a_default_and_every_default_is_in_the_schema() -> None:
    given = set()
    waiting = [((), DEFAULTS)]
    while waiting:
        path, values = waiting.pop()
        for name, value in values.items():
            here = (*path, name)
            dotted = ".".join(here)
            if isinstance(value, dict) and value and dotted not in LEAVES:
                waiting.append((here, value))
            else:
                given.add(dotted)
    # An empty object stands for all that can be put into it, such as a service's settings.
    wanted = {path for path in LEAVES if not any(path.startswith(f"{prefix}.") for prefix in given)}
    optional = {path for path in wanted if ".resources." in path}
    assert wanted - given - optional == set()
    assert {path for path in given - set(LEAVES) if not any(leaf.startswith(f"{path}.") for leaf in LEAVES)} == set()


@pytest.mark.timeout(600)
def test_every_value_changes_what_is_rendered(baselines: list[tuple[dict[str, Any], str]]) -> None:
    def has_effect(item: tuple[str, dict[str, Any]]) -> str | None:
        path, schema = item
        change: dict[str, Any] = {}
        refusals = []
        for values, before in baselines:
            # A switch is already on in some of them, so it is turned to what it is not.
            change = nested(path, not at(merged(DEFAULTS, values), path) if schema == BOOLEAN else other(path, schema))
            try:
                after = render_text(merged(values, change))
            except ProgramFailedError as error:
                refusals.append(str(error))
                continue
            if after != before:
                return None
        return f"{path}={change}: {refusals or 'no effect'}"

    with ThreadPoolExecutor(WORKERS) as pool:
        without_effect = [each for each in pool.map(has_effect, LEAVES.items()) if each]
    assert not without_effect, "\n".join(without_effect)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"gatway": {}}, "gatway"),
        ({"gateway": {"replicaCount": 3}}, "replicaCount"),
        ({"gateway": {"replicas": "three"}}, "replicas"),
        ({"gateway": {"settings": {"query_buget_seconds": 1}}}, "query_buget_seconds"),
        ({"gateway": {"settings": {"query_budget_seconds": 0}}}, "query_budget_seconds"),
        ({"routing": {"settings": {"database_url": "sqlite+aiosqlite:///x"}}}, "database_url"),
        ({"events": {"settings": {"partition_count": 0}}}, "partition_count"),
        ({"shutdown": {"preStopSeconds": 1}}, "preStopSeconds"),
        ({"routing": {"maxConnectionAgeSeconds": 1}}, "maxConnectionAgeSeconds"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"migration": {"mode": "automatic"}}, "mode"),
        ({"networkPolicy": {"clientPeers": [{"namespace": "crm"}]}}, "namespace"),
        ({"networkPolicy": {"webhookCidrs": ["everywhere"]}}, "webhookCidrs"),
        ({"events": {"resources": {"limits": {"memory": "lots"}}}}, "memory"),
        ({"database": {"routingUrl": "mysql://db/routing"}}, "routingUrl"),
        ({"devDatabases": {"password": "a/b@c"}}, "password"),
        ({"logging": {"level": "verbose"}}, "level"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_value_is_refused_by_its_name(helm: str, values: dict[str, Any], named: str) -> None:
    with pytest.raises(ProgramFailedError) as refused:
        render(merged(EVERYTHING, values), helm=helm)
    assert named in str(refused.value)
    assert "values" in str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"database": {"existingSecret": ""}}, "database.existingSecret is needed"),
        ({"database": {"existingSecret": ""}, "migration": {"mode": "job"}}, "database.routingUrl, is needed"),
        ({"redis": {"existingSecret": ""}}, "redis.existingSecret, or redis.url, is needed"),
        ({"tls": {"certManager": {"enabled": False}}}, "tls.secrets."),
        ({"serviceAccount": {"create": False}}, "serviceAccount.existingName is needed"),
        ({"tls": {"clientCertificates": False}, "gateway": {"apiKeySecret": ""}}, "gateway.apiKeySecret is needed"),
        (
            {
                "devDatabases": {"enabled": True, "password": ""},
                "database": {"existingSecret": ""},
                "migration": {"mode": "job"},
            },
            "devDatabases.password is needed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_missing_is_said(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ProgramFailedError, match=words):
        render(merged(EVERYTHING, values))


def test_settings_reach_their_service_as_environment() -> None:
    settings = {
        "gateway": {"settings": {"max_batch_items": 64, "query_budget_seconds": 0.5}},
        "events": {"settings": {"partition_count": 1024}},
    }
    config = {each["metadata"]["name"]: each["data"] for each in render(merged(EVERYTHING, settings)) if "data" in each}
    assert config["axbridge-gateway"]["AXBRIDGE_GATEWAY_MAX_BATCH_ITEMS"] == "64"
    assert config["axbridge-gateway"]["AXBRIDGE_GATEWAY_QUERY_BUDGET_SECONDS"] == "0.5"
    assert config["axbridge-events"]["AXBRIDGE_EVENTS_PARTITION_COUNT"] == "1024"
