"""What each of this service's RPCs asks of its caller. An RPC that is not in the table is refused."""

from common.auth.grants import Scope
from common.auth.requirements import (
    Charge,
    Requirement,
    for_all_tenants,
    for_tenants_at,
    standard_requirements,
)


def _requirements() -> dict[str, Requirement]:
    events = "/axbridge.events.v1.EventService/"
    calls = "/axbridge.events.v1.CallService/"
    webhooks = "/axbridge.events.v1.WebhookService/"
    privacy = "/axbridge.events.v1.PrivacyService/"
    subscriptions = "/axbridge.events.v1.SubscriptionService/"
    # A batch holds every tenant's messages. The gateway has counted them against their tenants' limits.
    from_gateway = for_all_tenants(Scope.GATEWAY, charge=Charge.NOTHING)
    return {
        **standard_requirements(),
        f"{events}PublishBatch": from_gateway,
        f"{events}RecordDecisions": from_gateway,
        f"{events}QuarantineMessages": from_gateway,
        # A message in the quarantine can be anybody's: without a tenant all of them are listed, and ids name no tenant.
        f"{events}ListQuarantined": for_tenants_at("tenant_id", scopes=(Scope.ADMIN,), charge=Charge.READ),
        f"{events}DeleteQuarantined": for_all_tenants(Scope.ADMIN, charge=Charge.WRITE),
        f"{calls}GetCall": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{calls}ListCalls": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{calls}ListCallEvents": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        # Its answers are text: it masks numbers itself.
        f"{calls}ExportCalls": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{calls}CountActiveCalls": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{calls}ReportCompleteness": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{calls}RebuildCalls": for_tenants_at("tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
        f"{privacy}ListAuditEntries": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        # A place in the log is its readers' own: whoever may read may have one, move it and give it up.
        f"{subscriptions}CreateSubscription": for_tenants_at(
            "subscription.tenant_id", scopes=(Scope.READ,), charge=Charge.WRITE
        ),
        f"{subscriptions}ListSubscriptions": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{subscriptions}DeleteSubscription": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.WRITE),
        f"{subscriptions}SeekSubscription": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.WRITE),
        # The first message names the tenant; acknowledgements are about what was delivered of it.
        f"{subscriptions}Subscribe": for_tenants_at("start.tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        # An endpoint gets whole numbers, so saying where they go is more than writing.
        f"{webhooks}CreateWebhook": for_tenants_at("webhook.tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
        f"{webhooks}UpdateWebhook": for_tenants_at("webhook.tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
        **{
            f"{webhooks}{name}": for_tenants_at("tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE)
            for name in ("DeleteWebhook", "RotateWebhookSecret", "SendTestDelivery", "ReplayDeadLetters")
        },
        **{
            f"{webhooks}{name}": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ)
            for name in ("GetWebhook", "ListWebhooks", "ListWebhookAttempts", "ListDeadLetters")
        },
    }


REQUIREMENTS = _requirements()
