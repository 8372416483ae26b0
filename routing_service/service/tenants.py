"""Managing the enterprises of this installation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from routing_service.domain.profile import PROFILE_FIELDS
from routing_service.domain.tenant import Tenant, TenantSettings
from routing_service.domain.write_origin import NO_ORIGIN, WriteOrigin, checked_request_id
from routing_service.not_found import no_such_tenant
from routing_service.patch import ChangeableFields, check_paths, check_revision, patched
from routing_service.ports import TenantStore
from routing_service.profile_rules import ProfileInUse, check_defaults_against
from routing_service.service.paging import page_limit, page_token, read_page_token
from routing_service.tenant_rules import check_tenant_id, checked_settings

CHANGEABLE_FIELDS: ChangeableFields = {
    "display_name": (),
    "response_style": ("xml_root", "json_list_style", "prompt_style"),
    "default_region": (),
    "dialing_format": (),
    "default_profile": PROFILE_FIELDS,
    "failure_prompts": (),
    "callback_url": (),
    "local_mobile_prefixes": (),
    "fallback_number": (),
    "foreign_display_numbers_allowed": (),
}


@dataclass(frozen=True, slots=True)
class TenantPage:
    """Some tenants by id, and the token of the next page; empty: this was the last."""

    tenants: Sequence[Tenant]
    next_page_token: str


class TenantService:
    """Create, read, list, change and remove tenants."""

    def __init__(self, tenants: TenantStore) -> None:
        self._tenants = tenants

    async def create(self, tenant_id: str, settings: TenantSettings, origin: WriteOrigin = NO_ORIGIN) -> Tenant:
        """Add a tenant, once for each request that is named. Raises InvalidArgumentError, AlreadyExistsError."""
        check_tenant_id(tenant_id, "tenant.tenant_id")
        checked_request_id(origin.request_id)
        return await self._tenants.create(Tenant(tenant_id, checked_settings(settings)), origin)

    async def get(self, tenant_id: str) -> Tenant:
        """The tenant. Raises InvalidArgumentError, NotFoundError."""
        check_tenant_id(tenant_id, "tenant_id")
        tenant = await self._tenants.get(tenant_id)
        if tenant is None:
            raise no_such_tenant(tenant_id)
        return tenant

    async def list_page(self, page_size: int, token: str) -> TenantPage:
        """A page of all tenants. Raises InvalidArgumentError."""
        limit = page_limit(page_size)
        after = ""
        if token:
            after = str(read_page_token(token, ("tenants",), (str,))[0])
            check_tenant_id(after, "page_token")
        found = await self._tenants.list_page(after, limit + 1)
        page = found[:limit]
        return TenantPage(page, page_token((page[-1].tenant_id,), ("tenants",)) if len(found) > limit else "")

    async def update(
        self,
        tenant_id: str,
        new: TenantSettings,
        paths: Collection[str],
        expected_revision: int,
        origin: WriteOrigin = NO_ORIGIN,
    ) -> Tenant:
        """Change the fields at `paths`. Raises InvalidArgumentError, NotFoundError, AbortedError when the revision is
        another than the expected one (0: any), and FailedPreconditionError when new defaults break the profile of a
        binding that is there."""
        check_tenant_id(tenant_id, "tenant.tenant_id")
        check_paths(paths, CHANGEABLE_FIELDS)
        checked_request_id(origin.request_id)

        def change(current: Tenant, in_use: Sequence[ProfileInUse]) -> Tenant:
            check_revision(current.revision, expected_revision)
            settings = checked_settings(patched(current.settings, new, paths), current.settings)
            for each in in_use:
                check_defaults_against(settings.default_profile, each, "tenant.default_profile")
            return replace(current, settings=settings, revision=current.revision + 1)

        new_defaults = any(path.partition(".")[0] == "default_profile" for path in paths)
        return await self._tenants.update(tenant_id, change, with_profiles=new_defaults, origin=origin)

    async def delete(self, tenant_id: str, origin: WriteOrigin = NO_ORIGIN) -> None:
        """Remove a tenant. Raises InvalidArgumentError, and what TenantStore.delete raises."""
        check_tenant_id(tenant_id, "tenant_id")
        checked_request_id(origin.request_id)
        await self._tenants.delete(tenant_id, origin)
