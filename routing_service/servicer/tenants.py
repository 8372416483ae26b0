"""TenantService."""

from typing import Any

from axbridge.routing.v1 import tenant_service_pb2
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceServicer

from routing_service.convert.masks import only_masked
from routing_service.convert.tenants import settings_from_proto, tenant_to_proto
from routing_service.service.tenants import CHANGEABLE_FIELDS, TenantService
from routing_service.servicer.origin import origin_of


class TenantServicer(TenantServiceServicer):
    """The enterprises of this installation."""

    def __init__(self, service: TenantService) -> None:
        self._service = service

    async def CreateTenant(
        self, request: tenant_service_pb2.CreateTenantRequest, context: Any
    ) -> tenant_service_pb2.CreateTenantResponse:
        tenant = await self._service.create(
            request.tenant.tenant_id, settings_from_proto(request.tenant), origin_of(request, request.request_id)
        )
        return tenant_service_pb2.CreateTenantResponse(tenant=tenant_to_proto(tenant))

    async def GetTenant(
        self, request: tenant_service_pb2.GetTenantRequest, context: Any
    ) -> tenant_service_pb2.GetTenantResponse:
        tenant = await self._service.get(request.tenant_id)
        return tenant_service_pb2.GetTenantResponse(tenant=tenant_to_proto(tenant))

    async def ListTenants(
        self, request: tenant_service_pb2.ListTenantsRequest, context: Any
    ) -> tenant_service_pb2.ListTenantsResponse:
        page = await self._service.list_page(request.page_size, request.page_token)
        return tenant_service_pb2.ListTenantsResponse(
            tenants=[tenant_to_proto(each) for each in page.tenants], next_page_token=page.next_page_token
        )

    async def UpdateTenant(
        self, request: tenant_service_pb2.UpdateTenantRequest, context: Any
    ) -> tenant_service_pb2.UpdateTenantResponse:
        masked = only_masked(request.tenant, request.update_mask, CHANGEABLE_FIELDS)
        tenant = await self._service.update(
            request.tenant.tenant_id,
            settings_from_proto(masked),
            request.update_mask.paths,
            request.expected_revision,
            origin_of(request, request.request_id),
        )
        return tenant_service_pb2.UpdateTenantResponse(tenant=tenant_to_proto(tenant))

    async def DeleteTenant(
        self, request: tenant_service_pb2.DeleteTenantRequest, context: Any
    ) -> tenant_service_pb2.DeleteTenantResponse:
        await self._service.delete(request.tenant_id, origin_of(request, request.request_id))
        return tenant_service_pb2.DeleteTenantResponse()
