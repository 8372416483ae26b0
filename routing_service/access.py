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
    routing = "/axbridge.routing.v1.RoutingService/"
    bindings = "/axbridge.routing.v1.BindingService/"
    tenants = "/axbridge.routing.v1.TenantService/"
    pools = "/axbridge.routing.v1.NumberPoolService/"
    lists = "/axbridge.routing.v1.NumberListService/"
    return {
        **standard_requirements(),
        # A batch holds every tenant's queries. The gateway has counted them against their tenants' limits.
        f"{routing}ResolveBatch": for_all_tenants(Scope.GATEWAY, charge=Charge.NOTHING),
        f"{routing}ShadowReplay": for_tenants_at("proposal.tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{routing}Explain": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{bindings}CreateBinding": for_tenants_at("binding.tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        f"{bindings}GetBinding": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{bindings}ListBindings": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{bindings}UpdateBinding": for_tenants_at("binding.tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        f"{bindings}DeleteBinding": for_tenants_at("tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        # Only the first message names the tenant. The service refuses rows of another one.
        f"{bindings}ImportBindings": for_tenants_at("options.tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        f"{bindings}WatchBindings": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{bindings}ListAuditEntries": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{pools}AddAccessNumbers": for_tenants_at("tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
        f"{pools}ListAccessNumbers": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{pools}RemoveAccessNumbers": for_tenants_at("tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
        f"{pools}AllocateBinding": for_tenants_at("binding.tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        f"{pools}PoolForecast": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{lists}CreateNumberListEntry": for_tenants_at("entry.tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        f"{lists}ListNumberListEntries": for_tenants_at("tenant_id", scopes=(Scope.READ,), charge=Charge.READ),
        f"{lists}DeleteNumberListEntry": for_tenants_at("tenant_id", scopes=(Scope.WRITE,), charge=Charge.WRITE),
        # The gateway keeps a directory of the tenants.
        f"{tenants}GetTenant": for_tenants_at("tenant_id", scopes=(Scope.READ, Scope.GATEWAY), charge=Charge.READ),
        f"{tenants}ListTenants": for_all_tenants(Scope.READ, Scope.GATEWAY, charge=Charge.READ),
        f"{tenants}CreateTenant": for_tenants_at("tenant.tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
        f"{tenants}UpdateTenant": for_tenants_at("tenant.tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
        f"{tenants}DeleteTenant": for_tenants_at("tenant_id", scopes=(Scope.ADMIN,), charge=Charge.WRITE),
    }


REQUIREMENTS = _requirements()
