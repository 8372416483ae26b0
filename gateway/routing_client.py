"""The routing service, as the gateway asks it: queries in batches, tenants as they are needed."""

from collections.abc import Sequence

import grpc
import grpc.aio
from axbridge.routing.v1 import decision_pb2
from axbridge.routing.v1.routing_service_pb2 import ResolveBatchRequest, ResolveQuery
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from axbridge.routing.v1.tenant_service_pb2 import GetTenantRequest, ListTenantsRequest
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from common.clock import Clock
from common.errors import NotFoundError, UnexpectedError
from common.grpc_errors import from_rpc_error
from common.telemetry import names
from common.telemetry.tracing import Tracer
from gateway.batch_metrics import QUERIES, BatchMetrics
from gateway.batch_traces import NO_METADATA, Metadata, batch_span, item_span
from gateway.coalescer import Batch, Coalescer, CoalescerLimits
from gateway.convert import decision_from_proto, query_to_proto, tenant_from_proto
from gateway.domain import Query, RouteDecision, TenantSettings

_TENANT_PAGE_SIZE = 1000


class RoutingClient:
    """Resolves queries; a port of `gateway.ports.RouteResolver`.

    What is converted is converted by the one who asks, so that an item which can't be does not fail its neighbours.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        limits: CoalescerLimits,
        tracer: Tracer,
        clock: Clock,
        metrics: BatchMetrics | None = None,
    ) -> None:
        self._stub = RoutingServiceStub(channel)
        self._tracer = tracer
        self._clock = clock
        self._coalescer: Coalescer[ResolveQuery, decision_pb2.RouteDecision]
        self._coalescer = Coalescer(self._resolve_batch, limits, clock, metrics, QUERIES)

    @property
    def queued(self) -> int:
        """How many queries wait to be sent."""
        return self._coalescer.queued

    async def resolve(self, query: Query, traceparent: str, deadline: float) -> RouteDecision:
        if traceparent:
            own, span = item_span(self._tracer, names.ASK_ROUTING, traceparent)
            with span:
                return await self._resolve(query, own, deadline)
        return await self._resolve(query, "", deadline)

    async def close(self) -> None:
        """Return when every query that was taken is answered."""
        await self._coalescer.close()

    async def _resolve(self, query: Query, traceparent: str, deadline: float) -> RouteDecision:
        item = query_to_proto(query, traceparent)
        return decision_from_proto(await self._coalescer.submit(query.tenant_id, item, deadline))

    async def _resolve_batch(
        self, batch: Batch[ResolveQuery, decision_pb2.RouteDecision]
    ) -> Sequence[decision_pb2.RouteDecision]:
        now = self._clock.monotonic()
        traced = []
        for entry in batch.entries:
            item = entry.item
            left = min(entry.deadline - now, _LONGEST_BUDGET_SECONDS)
            item.budget_milliseconds = max(1, int(left * 1000))
            if traceparent := item.traceparent:
                traced.append(traceparent)
        request = ResolveBatchRequest(queries=[entry.item for entry in batch.entries])
        if not traced:
            return await self._call(request, batch.timeout_seconds, NO_METADATA)
        metadata, span = batch_span(
            self._tracer, names.CALL_RESOLVE_BATCH, traced, len(batch.entries), is_retry=batch.is_retry
        )
        with span:
            return await self._call(request, batch.timeout_seconds, metadata)

    async def _call(
        self, request: ResolveBatchRequest, timeout_seconds: float, metadata: Metadata
    ) -> Sequence[decision_pb2.RouteDecision]:
        try:
            response = await self._stub.ResolveBatch(request, timeout=timeout_seconds, metadata=metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        return response.decisions


# Beyond anything that is ever left, and within what the field can hold.
_LONGEST_BUDGET_SECONDS = 3600.0


class TenantClient:
    """Reads tenants; a port of `gateway.ports.TenantSource`."""

    def __init__(self, channel: grpc.aio.Channel, timeout_seconds: float) -> None:
        self._stub = TenantServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    async def list_tenants(self) -> Sequence[TenantSettings]:
        tenants: list[TenantSettings] = []
        page_token = ""
        while True:
            request = ListTenantsRequest(page_size=_TENANT_PAGE_SIZE, page_token=page_token)
            try:
                page = await self._stub.ListTenants(request, timeout=self._timeout_seconds)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error
            tenants += [tenant_from_proto(tenant) for tenant in page.tenants]
            if page.next_page_token == page_token and page_token:
                raise UnexpectedError("the tenants' pages don't end")
            page_token = page.next_page_token
            if not page_token:
                return tenants

    async def get_tenant(self, tenant_id: str) -> TenantSettings | None:
        try:
            response = await self._stub.GetTenant(GetTenantRequest(tenant_id=tenant_id), timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            translated = from_rpc_error(error)
            if isinstance(translated, NotFoundError):
                return None
            raise translated from error
        return tenant_from_proto(response.tenant)
