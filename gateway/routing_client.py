"""The routing service, as the gateway asks it: queries in batches, tenants as they are needed."""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import grpc
import grpc.aio
from axbridge.routing.v1.routing_service_pb2 import ResolveBatchRequest
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from axbridge.routing.v1.tenant_service_pb2 import GetTenantRequest, ListTenantsRequest
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from common.clock import Clock
from common.errors import AxbridgeError, NotFoundError, UnexpectedError
from common.grpc_errors import from_rpc_error
from gateway.coalescer import Batch, Coalescer, CoalescerLimits
from gateway.convert import decision_from_proto, query_to_proto, tenant_from_proto
from gateway.domain import Query, RouteDecision, TenantSettings

_TENANT_PAGE_SIZE = 1000


class QueryItem(NamedTuple):
    """A query with its trace context."""

    query: Query
    traceparent: str


class RoutingClient:
    """Resolves queries; a port of `gateway.ports.RouteResolver`."""

    def __init__(self, channel: grpc.aio.Channel, limits: CoalescerLimits, clock: Clock) -> None:
        self._stub = RoutingServiceStub(channel)
        self._clock = clock
        self._coalescer: Coalescer[QueryItem, RouteDecision] = Coalescer(self._resolve_batch, limits, clock)

    def resolve(self, query: Query, traceparent: str, deadline: float) -> Awaitable[RouteDecision]:
        return self._coalescer.submit(query.tenant_id, QueryItem(query, traceparent), deadline)

    async def close(self) -> None:
        """Return when every query that was taken is answered."""
        await self._coalescer.close()

    async def _resolve_batch(self, batch: Batch[QueryItem, RouteDecision]) -> Sequence[RouteDecision | AxbridgeError]:
        now = self._clock.monotonic()
        queries = [
            query_to_proto(
                entry.item.query, entry.item.traceparent, max(1, int(1000 * min(entry.deadline - now, _LONGEST_BUDGET)))
            )
            for entry in batch.entries
        ]
        try:
            response = await self._stub.ResolveBatch(
                ResolveBatchRequest(queries=queries), timeout=batch.timeout_seconds
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        return [decision_from_proto(decision) for decision in response.decisions]


# An hour: beyond anything that is ever left of a budget, and within what the field can hold.
_LONGEST_BUDGET = 3600.0


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
