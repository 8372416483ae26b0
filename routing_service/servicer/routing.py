"""RoutingService."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from axbridge.routing.v1 import routing_service_pb2
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceServicer

from common.errors import InvalidArgumentError
from common.telemetry import names
from common.telemetry.failures import failure_of
from common.telemetry.served_batches import ServedBatch, caller_of, sampled_items
from common.telemetry.spans import AttributeValue, SpanContext, new_span_id
from common.telemetry.tracing import Tracer
from routing_service.answer import RouteAnswer
from routing_service.convert.routing import decision_to_proto, explanation_to_proto, query_from_proto
from routing_service.convert.shadow import difference_to_proto, proposal_from_proto, shadow_query_from_proto
from routing_service.convert.values import moment_from_proto
from routing_service.service.routing import IncomingQuery, RoutingService
from routing_service.service.shadow import ShadowQuery, ShadowService

# Some milliseconds' work: other calls are to be answered meanwhile.
_QUERIES_AT_ONCE = 100
_DIFFERENCES_AT_ONCE = 50


class RoutingServicer(RoutingServiceServicer):
    """The hot path, its explanation, and what a change would change in it."""

    def __init__(self, service: RoutingService, shadow: ShadowService, tracer: Tracer) -> None:
        self._service = service
        self._shadow = shadow
        self._tracer = tracer

    async def ResolveBatch(
        self, request: routing_service_pb2.ResolveBatchRequest, context: Any
    ) -> routing_service_pb2.ResolveBatchResponse:
        queries = [query_from_proto(each) for each in request.queries]
        traced = sampled_items([each.traceparent for each in request.queries]) if self._tracer.is_on else ()
        if traced:
            answers = await self._traced_answers(queries, context, traced)
        else:
            answers = await self._service.resolve_batch(queries, context.time_remaining())
        return routing_service_pb2.ResolveBatchResponse(decisions=[decision_to_proto(each) for each in answers])

    async def _traced_answers(
        self, queries: Sequence[IncomingQuery], context: Any, traced: Sequence[tuple[int, SpanContext]]
    ) -> Sequence[RouteAnswer]:
        tracer = self._tracer
        items = [item for _, item in traced]
        began = tracer.now()
        with ServedBatch(tracer, names.SERVE_RESOLVE_BATCH, caller_of(context), items, len(queries)) as batch:
            answers = await self._service.resolve_batch(queries, context.time_remaining())
        times = (began, tracer.now())
        # Of the only item of a batch the trace is the batch's, too.
        links = (batch,) if len(items) > 1 else ()
        for place, item in traced:
            answer = answers[place]
            error = failure_of(answer.result, answer.reason)
            own = SpanContext(item.trace_id, new_span_id())
            attributes = _attributes(queries[place], answer)
            tracer.write(names.DECIDE, own, item.span_id, times, attributes, links, error)
        return answers

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

    async def ShadowReplay(
        self, request_iterator: AsyncIterator[routing_service_pb2.ShadowReplayRequest], context: Any
    ) -> AsyncIterator[routing_service_pb2.ShadowReplayResponse]:
        first = await anext(aiter(request_iterator), None)
        if first is None or not first.HasField("proposal"):
            raise InvalidArgumentError("proposal", "the first message must hold the proposal")
        lots = _Lots(first, request_iterator)
        # Of many bindings this takes a second, in which calls are to be answered.
        proposal = await asyncio.to_thread(proposal_from_proto, first.proposal)
        async for differences in self._shadow.replay(proposal, lots.queries()):
            # Not all at once: also for the longest message that a client takes.
            for start in range(0, max(1, len(differences)), _DIFFERENCES_AT_ONCE):
                some = differences[start : start + _DIFFERENCES_AT_ONCE]
                yield routing_service_pb2.ShadowReplayResponse(
                    differences=[difference_to_proto(each, lots.current[each.place]) for each in some],
                    queries=lots.count,
                )


def _attributes(query: IncomingQuery, answer: RouteAnswer) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"axbridge.result": answer.result.text}
    if answer.style is not None:
        # Only known tenants have one.
        attributes["axbridge.tenant_id"] = query.tenant_id
    if answer.source is not None:
        attributes["axbridge.decision_source"] = answer.source.name
    if answer.binding_id:
        attributes["axbridge.binding_id"] = answer.binding_id
        attributes["axbridge.binding_revision"] = answer.binding_revision
    return attributes


class _Lots:
    """The queries of each message of a stream. `current` are those of the last one, `count` all so far."""

    def __init__(
        self,
        first: routing_service_pb2.ShadowReplayRequest,
        others: AsyncIterator[routing_service_pb2.ShadowReplayRequest],
    ) -> None:
        self._message: routing_service_pb2.ShadowReplayRequest | None = first
        self._others = others
        self.current: Sequence[routing_service_pb2.ShadowQuery] = ()
        self.count = 0

    async def queries(self) -> AsyncIterator[Sequence[ShadowQuery]]:
        while self._message is not None:
            self.current = self._message.queries
            self.count += len(self.current)
            queries = []
            for place, each in enumerate(self.current, 1):
                queries.append(shadow_query_from_proto(each, f"queries[{place - 1}]"))
                if place % _QUERIES_AT_ONCE == 0:
                    await asyncio.sleep(0)
            yield queries
            self._message = await anext(aiter(self._others), None)
            if self._message is not None and self._message.HasField("proposal"):
                raise InvalidArgumentError("proposal", "only the first message holds the proposal")
