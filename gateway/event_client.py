"""The event service, as the gateway tells it: events in batches, refused messages, answered queries."""

from collections.abc import Sequence

import grpc
import grpc.aio
from axbridge.events.v1.event_pb2 import CallEvent
from axbridge.events.v1.event_service_pb2 import (
    PublishBatchRequest,
    PublishResult,
    QuarantineMessagesRequest,
    RecordDecisionsRequest,
)
from axbridge.events.v1.event_service_pb2_grpc import EventServiceStub

from common.clock import Clock, to_microseconds
from common.grpc_errors import from_rpc_error
from common.telemetry import names
from common.telemetry.tracing import Tracer
from gateway.batch_metrics import EVENTS, BatchMetrics
from gateway.batch_traces import NO_METADATA, Metadata, batch_span, item_span
from gateway.coalescer import Batch, Coalescer, CoalescerLimits
from gateway.convert import answered_to_proto, event_to_proto, publish_error, rejected_to_proto
from gateway.domain import AnsweredQuery, ReceivedEvent, RejectedMessage


class EventClient:
    """Publishes events; a port of `gateway.ports.EventPublisher`.

    An event is converted by the one who brings it, so that one which can't be does not fail its neighbours.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        limits: CoalescerLimits,
        tracer: Tracer,
        clock: Clock,
        metrics: BatchMetrics | None = None,
    ) -> None:
        self._stub = EventServiceStub(channel)
        self._tracer = tracer
        self._coalescer: Coalescer[CallEvent, PublishResult]
        self._coalescer = Coalescer(self._publish_batch, limits, clock, metrics, EVENTS)

    @property
    def queued(self) -> int:
        """How many events wait to be sent."""
        return self._coalescer.queued

    async def publish(self, event: ReceivedEvent, deadline: float) -> None:
        item = event_to_proto(event)
        if not item.traceparent:
            return await self._publish(item, deadline)
        item.traceparent, span = item_span(self._tracer, names.PUBLISH, item.traceparent)
        with span:
            return await self._publish(item, deadline)

    async def _publish(self, item: CallEvent, deadline: float) -> None:
        error = publish_error(await self._coalescer.submit(item.tenant_id, item, deadline, item.ByteSize()))
        if error is not None:
            raise error

    async def close(self) -> None:
        """Return when every event that was taken is stored or given up."""
        await self._coalescer.close()

    async def _publish_batch(self, batch: Batch[CallEvent, PublishResult]) -> Sequence[PublishResult]:
        request = PublishBatchRequest(events=[entry.item for entry in batch.entries])
        traced = [traceparent for entry in batch.entries if (traceparent := entry.item.traceparent)]
        if not traced:
            return await self._call(request, batch, NO_METADATA)
        metadata, span = batch_span(
            self._tracer, names.CALL_PUBLISH_BATCH, traced, len(batch.entries), is_retry=batch.is_retry
        )
        with span:
            return await self._call(request, batch, metadata)

    async def _call(
        self, request: PublishBatchRequest, batch: Batch[CallEvent, PublishResult], metadata: Metadata
    ) -> Sequence[PublishResult]:
        try:
            # The second attempt waits for a service that is just starting: better than sending the platform away.
            response = await self._stub.PublishBatch(
                request, timeout=batch.timeout_seconds, wait_for_ready=batch.is_retry, metadata=metadata
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        return response.results


class QuarantineClient:
    """Keeps refused messages; a port of `gateway.ports.Quarantine`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = EventServiceStub(channel)

    async def keep(self, message: RejectedMessage, timeout_seconds: float) -> None:
        request = QuarantineMessagesRequest(messages=[rejected_to_proto(message)])
        try:
            await self._stub.QuarantineMessages(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error


class DecisionClient:
    """Records answered queries; a port of `gateway.ports.DecisionRecorder`."""

    def __init__(self, channel: grpc.aio.Channel, timeout_seconds: float, clock: Clock) -> None:
        self._stub = EventServiceStub(channel)
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    async def record(self, answered: Sequence[AnsweredQuery]) -> None:
        # One look at the wall clock for all of them.
        origin_us = to_microseconds(self._clock.now()) - int(self._clock.monotonic() * 1_000_000)
        request = RecordDecisionsRequest(decisions=[answered_to_proto(one, origin_us) for one in answered])
        try:
            await self._stub.RecordDecisions(request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
