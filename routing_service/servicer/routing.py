"""RoutingService."""

from typing import Any

from axbridge.routing.v1 import routing_service_pb2
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceServicer

from routing_service.convert.routing import decision_to_proto, explanation_to_proto, query_from_proto
from routing_service.convert.values import moment_from_proto
from routing_service.service.routing import IncomingQuery, RoutingService


class RoutingServicer(RoutingServiceServicer):
    """The hot path, and its explanation."""

    def __init__(self, service: RoutingService) -> None:
        self._service = service

    async def ResolveBatch(
        self, request: routing_service_pb2.ResolveBatchRequest, context: Any
    ) -> routing_service_pb2.ResolveBatchResponse:
        queries = [query_from_proto(each) for each in request.queries]
        answers = await self._service.resolve_batch(queries, context.time_remaining())
        return routing_service_pb2.ResolveBatchResponse(decisions=[decision_to_proto(each) for each in answers])

    async def Explain(
        self, request: routing_service_pb2.ExplainRequest, context: Any
    ) -> routing_service_pb2.ExplainResponse:
        query = IncomingQuery(
            tenant_id=request.tenant_id,
            session_id=request.session_id,
            calling_number=request.calling_number,
            access_number=request.access_number,
        )
        explanation = await self._service.explain(query, moment_from_proto(request, "at", "at"))
        return explanation_to_proto(explanation)
