"""Values under which the chart renders everything it can, and the variants for what excludes each other."""

from typing import Any

EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "voice"},
    "imagePullSecrets": ["registry"],
    "namespace": {"create": True},
    "database": {"existingSecret": "databases", "peers": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
    "redis": {"existingSecret": "cache", "peers": [{"podSelector": {"matchLabels": {"app": "redis"}}}]},
    "ingress": {"enabled": True, "tlsSecret": "calls-tls"},
    "tls": {"enabled": True, "certManager": {"enabled": True}},
    "credentials": {"existingSecret": "callers"},
    "encryption": {"masterKeySecret": "master", "webhooksKeySecret": "webhooks"},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "collector": {"enabled": True},
    "devDatabases": {"password": "only-for-trying"},
    "gateway": {"accessSecret": "senders", "apiKeySecret": "gateway-key"},
    "routing": {"autoscaling": {"metric": {"enabled": True}}},
    "events": {"autoscaling": {"metric": {"enabled": True}}},
}

# A value may have no effect while another one is set: each of these, merged over EVERYTHING, opens some.
VARIANTS: list[dict[str, Any]] = [
    {},
    # The chart makes the Secrets.
    {
        "migration": {"mode": "job"},
        "database": {
            "existingSecret": "",
            "routingUrl": "postgresql+asyncpg://u:p@db/routing",
            "eventsUrl": "postgresql+asyncpg://u:p@db/events",
        },
        "redis": {"existingSecret": "", "url": "redis://cache:6379/0"},
        "autoscaling": {"enabled": False},
        "tls": {"certManager": {"enabled": False}, "secrets": {"gateway": "a", "routing": "b", "events": "c"}},
    },
    # Databases of its own.
    {
        "migration": {"mode": "job"},
        "database": {"existingSecret": ""},
        "redis": {"existingSecret": ""},
        "devDatabases": {"enabled": True},
    },
    # Accounts and traces from elsewhere.
    {
        "serviceAccount": {"create": False, "existingName": "shared"},
        "collector": {"enabled": False},
        "tracing": {"endpoint": "http://tempo.monitoring:4317", "headersSecret": "trace-token"},
        "ingress": {"className": "alb"},
    },
]


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid over it, objects merged, as Helm merges values."""
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result
