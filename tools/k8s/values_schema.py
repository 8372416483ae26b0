"""Keep the chart's values.schema.json in step with the services' settings.

The services' settings classes say which settings there are; the chart passes them on under `<service>.settings`. This
writes their types, bounds and descriptions into the schema's definitions, so that Helm refuses a setting that the
service doesn't know. Settings that the chart derives from other values are left out: they are set in one place only.
"""

import json
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, NoDecode

from event_service.settings import EventServiceSettings
from gateway.settings import GatewaySettings
from routing_service.settings import RoutingServiceSettings

SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "routing": RoutingServiceSettings,
    "events": EventServiceSettings,
}
# What templates/_config.tpl and _pod.tpl set, or what makes no sense in a pod.
OWNED_BY_THE_CHART = frozenset(
    {
        "listen",
        "drain_seconds",
        "log_level",
        "log_format",
        "metrics_listen",
        "trace_exporter",
        "otlp_endpoint",
        "otlp_headers_file",
        "routing_target",
        "events_target",
        "database_url",
        "redis_url",
        "limits_redis_url",
        "data_dir",
        "migrate_at_start",
        "max_connection_age_seconds",
        "health_listen",
        "insecure",
        "tls_cert_file",
        "tls_key_file",
        "tls_ca_file",
        "credentials_file",
        "api_key_pepper_file",
        "access_file",
        "master_key_file",
        "webhooks_key_file",
        "api_key_file",
        "lame_duck_seconds",
        # TLS towards the platform ends at the ingress.
        "https_cert_file",
        "https_key_file",
    }
)
_KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "items", "anyOf", "description")


def with_settings(schema: dict[str, Any]) -> dict[str, Any]:
    """The chart's schema with the definitions of all settings written anew."""
    definitions = dict(schema["definitions"])
    for component, settings in SETTINGS.items():
        if not _lists_are_separated_by_commas(settings):
            raise ValueError(f"{settings.__name__} has a list that is not separated by commas")
        definitions[f"{component}Settings"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: _plain(field)
                for name, field in settings.model_json_schema()["properties"].items()
                if name not in OWNED_BY_THE_CHART
            },
        }
    return {**schema, "definitions": definitions}


def _lists_are_separated_by_commas(settings: type[BaseSettings]) -> bool:
    # The chart writes them so; other lists would have to be written as JSON.
    fields = settings.model_fields.values()
    return all(NoDecode in field.metadata for field in fields if "tuple[" in str(field.annotation))


def _plain(field: dict[str, Any]) -> dict[str, Any]:
    # References would need pydantic's own definitions in the chart's schema; no setting has one.
    if "$ref" in json.dumps(field):
        raise ValueError(f"a setting's type is not a plain one: {field.get('title')}")
    return {key: field[key] for key in _KEPT if key in field}


def updated(path: Path) -> str:
    """What the schema file at `path` should hold."""
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return json.dumps(with_settings(schema), indent=2, ensure_ascii=False) + "\n"
