"""The RPC methods: what the contracts say, in terms of the use cases."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from axbridge.events.v1 import call_service_pb2, call_service_pb2_grpc, event_service_pb2, event_service_pb2_grpc

from common.auth.grants import current_caller
from common.auth.unmasking import whole_numbers_wanted
from common.clock import Clock, to_microseconds
from common.errors import InvalidArgumentError
from common.telemetry import names
from common.telemetry.served_batches import ServedBatch, caller_of, sampled_items
from common.telemetry.spans import SpanContext, new_span_id
from common.telemetry.tracing import Tracer
from event_service import convert
from event_service.domain import CallEvent, effective_decision
from event_service.export import csv_header, csv_lines, in_pieces, ndjson_lines
from event_service.page_tokens import page_token, position_behind, read_page_token
from event_service.ports import CallPeriod, EventOutcome
from event_service.reports import CallReporting
from event_service.service import CallQueries, EventIntake, QuarantineDesk

SERVICE_NAMES = ("axbridge.events.v1.EventService", "axbridge.events.v1.CallService")

# One reply holds a call's events up to this size, in the order of the log; more than a call that is no attack has.
MAX_HISTORY_BYTES = 16 * 1024 * 1024


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """axbridge.events.v1.EventService."""

    def __init__(self, intake: EventIntake, quarantine: QuarantineDesk, tracer: Tracer) -> None:
        self._intake = intake
        self._quarantine = quarantine
        self._tracer = tracer

    async def PublishBatch(
        self,
        request: event_service_pb2.PublishBatchRequest,
        context: grpc.aio.ServicerContext[
            event_service_pb2.PublishBatchRequest, event_service_pb2.PublishBatchResponse
        ],
    ) -> event_service_pb2.PublishBatchResponse:
        events = [convert.event_from_message(event) for event in request.events]
        traced = sampled_items([event.traceparent for event in events]) if self._tracer.is_on else ()
        if traced:
            outcomes = await self._publish_traced(events, context, traced)
        else:
            outcomes = await self._intake.publish(events)
        return event_service_pb2.PublishBatchResponse(
            results=[convert.outcome_to_message(outcome) for outcome in outcomes]
        )

    async def _publish_traced(
        self, events: Sequence[CallEvent], context: Any, traced: Sequence[tuple[int, SpanContext]]
    ) -> Sequence[EventOutcome]:
        tracer = self._tracer
        items = [item for _, item in traced]
        began = tracer.now()
        with ServedBatch(tracer, names.SERVE_PUBLISH_BATCH, caller_of(context), items, len(events)) as batch:
            outcomes = await self._intake.publish(events)
        times = (began, tracer.now())
        # Of the only item of a batch the trace is the batch's, too.
        links = (batch,) if len(items) > 1 else ()
        for place, item in traced:
            attributes = {
                "axbridge.event_code": events[place].code,
                "axbridge.publish_status": outcomes[place].status.name,
            }
            own = SpanContext(item.trace_id, new_span_id())
            tracer.write(names.STORE, own, item.span_id, times, attributes, links)
        return outcomes

    async def RecordDecisions(
        self,
        request: event_service_pb2.RecordDecisionsRequest,
        context: grpc.aio.ServicerContext[
            event_service_pb2.RecordDecisionsRequest, event_service_pb2.RecordDecisionsResponse
        ],
    ) -> event_service_pb2.RecordDecisionsResponse:
        await self._intake.record_decisions([convert.decision_from_message(d) for d in request.decisions])
        return event_service_pb2.RecordDecisionsResponse()

    async def QuarantineMessages(
        self,
        request: event_service_pb2.QuarantineMessagesRequest,
        context: grpc.aio.ServicerContext[
            event_service_pb2.QuarantineMessagesRequest, event_service_pb2.QuarantineMessagesResponse
        ],
    ) -> event_service_pb2.QuarantineMessagesResponse:
        dropped = await self._quarantine.keep([convert.quarantined_from_message(m) for m in request.messages])
        return event_service_pb2.QuarantineMessagesResponse(dropped=dropped)

    async def ListQuarantined(
        self,
        request: event_service_pb2.ListQuarantinedRequest,
        context: grpc.aio.ServicerContext[
            event_service_pb2.ListQuarantinedRequest, event_service_pb2.ListQuarantinedResponse
        ],
    ) -> event_service_pb2.ListQuarantinedResponse:
        page = await self._quarantine.list_messages(request.tenant_id, request.page_size, request.page_token)
        return event_service_pb2.ListQuarantinedResponse(
            messages=[convert.quarantined_to_message(message) for message in page.messages],
            next_page_token=page.next_page_token,
        )

    async def DeleteQuarantined(
        self,
        request: event_service_pb2.DeleteQuarantinedRequest,
        context: grpc.aio.ServicerContext[
            event_service_pb2.DeleteQuarantinedRequest, event_service_pb2.DeleteQuarantinedResponse
        ],
    ) -> event_service_pb2.DeleteQuarantinedResponse:
        deleted = await self._quarantine.delete(list(request.message_ids), current_caller())
        return event_service_pb2.DeleteQuarantinedResponse(deleted=deleted)


class CallServicer(call_service_pb2_grpc.CallServiceServicer):
    """axbridge.events.v1.CallService."""

    def __init__(self, queries: CallQueries, reporting: CallReporting, clock: Clock) -> None:
        self._queries = queries
        self._reporting = reporting
        self._clock = clock

    async def GetCall(
        self,
        request: call_service_pb2.GetCallRequest,
        context: grpc.aio.ServicerContext[call_service_pb2.GetCallRequest, call_service_pb2.GetCallResponse],
    ) -> call_service_pb2.GetCallResponse:
        found = await self._queries.get(request.tenant_id, request.session_id)
        return call_service_pb2.GetCallResponse(call=convert.call_to_message(found))

    async def ListCalls(
        self,
        request: call_service_pb2.ListCallsRequest,
        context: grpc.aio.ServicerContext[call_service_pb2.ListCallsRequest, call_service_pb2.ListCallsResponse],
    ) -> call_service_pb2.ListCallsResponse:
        page = await self._queries.list_calls(convert.call_query_from_message(request))
        return call_service_pb2.ListCallsResponse(
            calls=[convert.call_to_message(call) for call in page.calls], next_page_token=page.next_page_token
        )

    async def ListCallEvents(
        self,
        request: call_service_pb2.ListCallEventsRequest,
        context: grpc.aio.ServicerContext[
            call_service_pb2.ListCallEventsRequest, call_service_pb2.ListCallEventsResponse
        ],
    ) -> call_service_pb2.ListCallEventsResponse:
        history = await self._queries.history(request.tenant_id, request.session_id)
        response = call_service_pb2.ListCallEventsResponse()
        size_bytes = 0
        for logged in history.events:
            message = convert.stored_event_to_message(logged)
            size_bytes += message.ByteSize()
            if size_bytes > MAX_HISTORY_BYTES:
                break
            response.events.append(message)
        decision = effective_decision(history.decisions)
        if decision is not None:
            response.decision.CopyFrom(convert.decision_to_message(decision))
        return response

    async def ExportCalls(
        self,
        request: call_service_pb2.ExportCallsRequest,
        context: grpc.aio.ServicerContext[call_service_pb2.ExportCallsRequest, call_service_pb2.ExportCallsResponse],
    ) -> AsyncIterator[call_service_pb2.ExportCallsResponse]:
        if request.format not in call_service_pb2.ExportFormat.values():
            raise InvalidArgumentError("format", "is none that there is")
        is_csv = request.format != call_service_pb2.EXPORT_FORMAT_NDJSON
        write = csv_lines if is_csv else ndjson_lines
        period = convert.period_from_message(request)
        asked = _asked(period)
        after = read_page_token(request.page_token, asked) if request.page_token else None
        # What is wrong with the request is said before any piece of the answer.
        pages = self._reporting.pages(period, after)
        # Also where callers are not told apart: a file goes further than a screen.
        whole_numbers = whole_numbers_wanted()
        calls = 0
        if is_csv and after is None:
            yield call_service_pb2.ExportCallsResponse(chunk=csv_header())
        async for page in pages:
            for records in in_pieces(page):
                calls += len(records)
                yield call_service_pb2.ExportCallsResponse(
                    chunk=write(records, whole_numbers=whole_numbers),
                    calls=calls,
                    next_page_token=page_token(position_behind(records[-1].call), asked),
                )

    async def CountActiveCalls(
        self,
        request: call_service_pb2.CountActiveCallsRequest,
        context: grpc.aio.ServicerContext[
            call_service_pb2.CountActiveCallsRequest, call_service_pb2.CountActiveCallsResponse
        ],
    ) -> call_service_pb2.CountActiveCallsResponse:
        counted = await self._reporting.count_active(request.tenant_id)
        return call_service_pb2.CountActiveCallsResponse(active=counted.active, answered=counted.answered)

    async def RebuildCalls(
        self,
        request: call_service_pb2.RebuildCallsRequest,
        context: grpc.aio.ServicerContext[call_service_pb2.RebuildCallsRequest, call_service_pb2.RebuildCallsResponse],
    ) -> call_service_pb2.RebuildCallsResponse:
        period = convert.period_from_message(request)
        asked = [*_asked(period), request.dry_run]
        position = convert.rebuild_position(read_page_token(request.page_token, asked)) if request.page_token else None
        result = await self._reporting.rebuild(
            period, dry_run=request.dry_run, position=position, actor=current_caller()
        )
        following = result.following
        return call_service_pb2.RebuildCallsResponse(
            calls=result.calls,
            different=result.different,
            different_session_ids=[name.session_id for name in result.names],
            next_page_token=page_token(convert.token_position(following), asked) if following is not None else "",
        )

    async def ReportCompleteness(
        self,
        request: call_service_pb2.ReportCompletenessRequest,
        context: grpc.aio.ServicerContext[
            call_service_pb2.ReportCompletenessRequest, call_service_pb2.ReportCompletenessResponse
        ],
    ) -> call_service_pb2.ReportCompletenessResponse:
        which = convert.report_period_from_message(request, to_microseconds(self._clock.now()))
        hours = await self._reporting.completeness(which)
        return call_service_pb2.ReportCompletenessResponse(hours=[convert.hour_to_message(hour) for hour in hours])


def _asked(period: CallPeriod) -> list[object]:
    return [period.tenant_id, period.started_from_us, period.started_before_us]
