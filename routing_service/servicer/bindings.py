"""BindingService."""

from collections.abc import AsyncIterator
from typing import Any

from axbridge.routing.v1 import binding_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceServicer

from common.errors import InvalidArgumentError
from routing_service.convert.bindings import binding_to_proto, kind_from_proto, terms_from_proto
from routing_service.convert.imports import (
    import_options_from_proto,
    import_result_to_proto,
    import_row_from_proto,
)
from routing_service.convert.journal import audit_entry_to_proto, change_to_proto
from routing_service.convert.masks import only_masked
from routing_service.convert.values import enum_value
from routing_service.domain.binding import BindingKind
from routing_service.domain.importing import ImportRow
from routing_service.ports import BindingFilter, BindingState
from routing_service.service.audit import AuditService
from routing_service.service.bindings import CHANGEABLE_FIELDS, BindingService
from routing_service.service.changes import ChangeService
from routing_service.service.imports import ImportService
from routing_service.servicer.origin import origin_named, origin_of

MAX_ROWS_IN_A_MESSAGE = 1000
# Results that go into one message.
_RESULTS_AT_ONCE = 1000

_STATES = {
    binding_service_pb2.BINDING_STATE_IN_FORCE: BindingState.IN_FORCE,
    binding_service_pb2.BINDING_STATE_PENDING: BindingState.PENDING,
    binding_service_pb2.BINDING_STATE_EXPIRED: BindingState.EXPIRED,
}


class BindingServicer(BindingServiceServicer):
    """Management of number relationships."""

    def __init__(
        self, service: BindingService, imports: ImportService, changes: ChangeService, audit: AuditService
    ) -> None:
        self._service = service
        self._imports = imports
        self._changes = changes
        self._audit = audit

    async def CreateBinding(
        self, request: binding_service_pb2.CreateBindingRequest, context: Any
    ) -> binding_service_pb2.CreateBindingResponse:
        terms = terms_from_proto(request.binding, kind_from_proto(request.binding))
        origin = origin_of(request, request.request_id)
        binding = await self._service.create(request.binding.tenant_id, terms, origin)
        return binding_service_pb2.CreateBindingResponse(binding=binding_to_proto(binding))

    async def GetBinding(
        self, request: binding_service_pb2.GetBindingRequest, context: Any
    ) -> binding_service_pb2.GetBindingResponse:
        binding = await self._service.get(request.tenant_id, request.binding_id)
        return binding_service_pb2.GetBindingResponse(binding=binding_to_proto(binding))

    async def ListBindings(
        self, request: binding_service_pb2.ListBindingsRequest, context: Any
    ) -> binding_service_pb2.ListBindingsResponse:
        state = enum_value(_STATES, request.state, "state")
        which = BindingFilter(request.tenant_id, request.access_number, request.number, state)
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
            origin_of(request, request.request_id),
        )
        return binding_service_pb2.UpdateBindingResponse(binding=binding_to_proto(binding))

    async def DeleteBinding(
        self, request: binding_service_pb2.DeleteBindingRequest, context: Any
    ) -> binding_service_pb2.DeleteBindingResponse:
        origin = origin_of(request, request.request_id)
        await self._service.delete(request.tenant_id, request.binding_id, request.expected_revision, origin)
        return binding_service_pb2.DeleteBindingResponse()

    async def ImportBindings(
        self, request_iterator: AsyncIterator[binding_service_pb2.ImportBindingsRequest], context: Any
    ) -> AsyncIterator[binding_service_pb2.ImportBindingsResponse]:
        first = await anext(aiter(request_iterator), None)
        if first is None or not first.HasField("options"):
            raise InvalidArgumentError("options", "the first message must say how to import")
        options = import_options_from_proto(first.options)
        origin = origin_named(first.options.request_id)
        rows = _rows(first, request_iterator, hashed=bool(origin.request_id))
        async for outcomes in self._imports.run(options, rows, origin):
            for start in range(0, len(outcomes), _RESULTS_AT_ONCE):
                some = outcomes[start : start + _RESULTS_AT_ONCE]
                yield binding_service_pb2.ImportBindingsResponse(
                    results=[import_result_to_proto(each) for each in some]
                )

    async def WatchBindings(
        self, request: binding_service_pb2.WatchBindingsRequest, context: Any
    ) -> AsyncIterator[binding_service_pb2.WatchBindingsResponse]:
        position = await self._changes.first_position(request.tenant_id, request.after_position)
        # Who asked for what comes could not go on from there otherwise, if cut before the first change.
        yield binding_service_pb2.WatchBindingsResponse(position=position)
        async for changes in self._changes.watch(request.tenant_id, position):
            yield binding_service_pb2.WatchBindingsResponse(
                changes=[change_to_proto(each) for each in changes], position=changes[-1].position
            )

    async def ListAuditEntries(
        self, request: binding_service_pb2.ListAuditEntriesRequest, context: Any
    ) -> binding_service_pb2.ListAuditEntriesResponse:
        page = await self._audit.list_page(request.tenant_id, request.object_id, request.page_size, request.page_token)
        return binding_service_pb2.ListAuditEntriesResponse(
            entries=[audit_entry_to_proto(each) for each in page.entries], next_page_token=page.next_page_token
        )


async def _rows(
    first: binding_service_pb2.ImportBindingsRequest,
    others: AsyncIterator[binding_service_pb2.ImportBindingsRequest],
    *,
    hashed: bool,
) -> AsyncIterator[list[ImportRow]]:
    """The rows of each message, counted over all of them."""
    message: binding_service_pb2.ImportBindingsRequest | None = first
    count = 0
    while message is not None:
        if len(message.bindings) > MAX_ROWS_IN_A_MESSAGE:
            raise InvalidArgumentError("bindings", f"at most {MAX_ROWS_IN_A_MESSAGE} rows in one message")
        if message is not first and message.HasField("options"):
            raise InvalidArgumentError("options", "only the first message says how to import")
        yield [import_row_from_proto(each, row, hashed=hashed) for row, each in enumerate(message.bindings, count + 1)]
        count += len(message.bindings)
        message = await anext(aiter(others), None)
