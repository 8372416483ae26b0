"""BindingService."""

from typing import Any

from axbridge.routing.v1 import binding_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceServicer

from routing_service.convert.bindings import binding_to_proto, kind_from_proto, terms_from_proto
from routing_service.convert.masks import only_masked
from routing_service.domain.binding import BindingKind
from routing_service.ports import BindingFilter
from routing_service.service.bindings import CHANGEABLE_FIELDS, BindingService


class BindingServicer(BindingServiceServicer):
    """Management of number relationships."""

    def __init__(self, service: BindingService) -> None:
        self._service = service

    async def CreateBinding(
        self, request: binding_service_pb2.CreateBindingRequest, context: Any
    ) -> binding_service_pb2.CreateBindingResponse:
        terms = terms_from_proto(request.binding, kind_from_proto(request.binding))
        binding = await self._service.create(request.binding.tenant_id, terms)
        return binding_service_pb2.CreateBindingResponse(binding=binding_to_proto(binding))

    async def GetBinding(
        self, request: binding_service_pb2.GetBindingRequest, context: Any
    ) -> binding_service_pb2.GetBindingResponse:
        binding = await self._service.get(request.tenant_id, request.binding_id)
        return binding_service_pb2.GetBindingResponse(binding=binding_to_proto(binding))

    async def ListBindings(
        self, request: binding_service_pb2.ListBindingsRequest, context: Any
    ) -> binding_service_pb2.ListBindingsResponse:
        which = BindingFilter(request.tenant_id, request.access_number, request.number)
        page = await self._service.list_page(which, request.page_size, request.page_token)
        return binding_service_pb2.ListBindingsResponse(
            bindings=[binding_to_proto(each) for each in page.bindings], next_page_token=page.next_page_token
        )

    async def UpdateBinding(
        self, request: binding_service_pb2.UpdateBindingRequest, context: Any
    ) -> binding_service_pb2.UpdateBindingResponse:
        masked = only_masked(request.binding, request.update_mask, CHANGEABLE_FIELDS)
        # The kind can't be changed, so whichever stands here is not looked at.
        terms = terms_from_proto(masked, BindingKind.AXB)
        binding = await self._service.update(
            request.binding.tenant_id,
            request.binding.binding_id,
            terms,
            request.update_mask.paths,
            request.expected_revision,
        )
        return binding_service_pb2.UpdateBindingResponse(binding=binding_to_proto(binding))

    async def DeleteBinding(
        self, request: binding_service_pb2.DeleteBindingRequest, context: Any
    ) -> binding_service_pb2.DeleteBindingResponse:
        await self._service.delete(request.tenant_id, request.binding_id, request.expected_revision)
        return binding_service_pb2.DeleteBindingResponse()
