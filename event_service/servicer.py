"""The RPC methods: what the contracts say, in terms of the use cases."""

import grpc.aio
from axbridge.events.v1 import call_service_pb2, call_service_pb2_grpc, event_service_pb2, event_service_pb2_grpc

from event_service import convert
from event_service.domain import effective_decision
from event_service.service import CallQueries, EventIntake, QuarantineDesk

SERVICE_NAMES = ("axbridge.events.v1.EventService", "axbridge.events.v1.CallService")

# One reply holds a call's events up to this size, in the order of the log; more than a call that is no attack has.
MAX_HISTORY_BYTES = 16 * 1024 * 1024


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """axbridge.events.v1.EventService."""

    def __init__(self, intake: EventIntake, quarantine: QuarantineDesk) -> None:
        self._intake = intake
        self._quarantine = quarantine

    async def PublishBatch(
        self,
        request: event_service_pb2.PublishBatchRequest,
        context: grpc.aio.ServicerContext[
            event_service_pb2.PublishBatchRequest, event_service_pb2.PublishBatchResponse
        ],
    ) -> event_service_pb2.PublishBatchResponse:
        outcomes = await self._intake.publish([convert.event_from_message(event) for event in request.events])
        return event_service_pb2.PublishBatchResponse(
            results=[convert.outcome_to_message(outcome) for outcome in outcomes]
        )

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
        deleted = await self._quarantine.delete(list(request.message_ids))
        return event_service_pb2.DeleteQuarantinedResponse(deleted=deleted)


class CallServicer(call_service_pb2_grpc.CallServiceServicer):
    """axbridge.events.v1.CallService."""

    def __init__(self, queries: CallQueries) -> None:
        self._queries = queries

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
