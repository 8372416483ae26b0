"""Every name under which a service tells of itself, one comment each: spans and their attributes.

Names follow OpenTelemetry's semantic conventions where they have one; what is our own begins with `axbridge.`.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final


class SpanKind(IntEnum):
    """What a span is in its trace; the numbers are OTLP's."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4


@dataclass(frozen=True, slots=True)
class SpanType:
    """A span's name and kind. `wire` is both as they stand in an OTLP span."""

    name: str
    kind: SpanKind
    wire: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name = self.name.encode()
        assert len(name) < 128, "the length fits into one byte"
        object.__setattr__(self, "wire", b"\x2a" + bytes([len(name)]) + name + b"\x30" + bytes([self.kind]))


# -- Spans of one call: in the call's trace ----------------------------------------------------------------------------
# The gateway answers a query: from the request's headers to the decision. Its span id follows from the trace id.
QUERY: Final = SpanType("POST /v1/calls query", SpanKind.SERVER)
# The gateway takes an event: from the request's headers until the event is on disk. A child of the call's QUERY.
EVENT: Final = SpanType("POST /v1/calls event", SpanKind.SERVER)
# A query on its way to the routing service: the wait for its batch, and the batch.
ASK_ROUTING: Final = SpanType("resolve", SpanKind.CLIENT)
# An event on its way to the event service, likewise.
PUBLISH: Final = SpanType("publish", SpanKind.CLIENT)
# The routing service decides a query, within a batch.
DECIDE: Final = SpanType("decide", SpanKind.INTERNAL)
# The event service stores an event, within a batch: until it is on disk.
STORE: Final = SpanType("store", SpanKind.INTERNAL)
# An event or a record is sent to a subscriber, over its stream.
SEND_TO_SUBSCRIBER: Final = SpanType("send subscription", SpanKind.PRODUCER)
# One attempt to post a message to a webhook's endpoint.
POST_WEBHOOK: Final = SpanType("POST webhook", SpanKind.CLIENT)

# -- Spans of a batch: in the trace of its only sampled item, or one of their own with links to several ----------------
# The gateway's call of the routing service.
CALL_RESOLVE_BATCH: Final = SpanType("axbridge.routing.v1.RoutingService/ResolveBatch", SpanKind.CLIENT)
# The routing service's side of it.
SERVE_RESOLVE_BATCH: Final = SpanType("axbridge.routing.v1.RoutingService/ResolveBatch", SpanKind.SERVER)
# The gateway's call of the event service.
CALL_PUBLISH_BATCH: Final = SpanType("axbridge.events.v1.EventService/PublishBatch", SpanKind.CLIENT)
# The event service's side of it.
SERVE_PUBLISH_BATCH: Final = SpanType("axbridge.events.v1.EventService/PublishBatch", SpanKind.SERVER)
# One transaction of the event log; it may hold several batches.
APPEND: Final = SpanType("append events", SpanKind.CLIENT)
# A batch is looked up in Redis.
REDIS_READ: Final = SpanType("MGET", SpanKind.CLIENT)
# What was read from the store is remembered in Redis; the query does not wait for it.
REDIS_FILL: Final = SpanType("SET", SpanKind.CLIENT)
# Scopes that Redis did not know get an epoch.
REDIS_EPOCHS: Final = SpanType("EVAL", SpanKind.CLIENT)
# The tenants of a batch are read from the store.
SELECT_TENANTS: Final = SpanType("SELECT tenants", SpanKind.CLIENT)
# The bindings and lists of a batch are read from the store.
SELECT_BINDINGS: Final = SpanType("SELECT bindings", SpanKind.CLIENT)
# What is remembered of earlier calls is read from the store.
SELECT_CALLS: Final = SpanType("SELECT remembered calls", SpanKind.CLIENT)

SPAN_TYPES: Final = (
    QUERY,
    EVENT,
    ASK_ROUTING,
    PUBLISH,
    DECIDE,
    STORE,
    SEND_TO_SUBSCRIBER,
    POST_WEBHOOK,
    CALL_RESOLVE_BATCH,
    SERVE_RESOLVE_BATCH,
    CALL_PUBLISH_BATCH,
    SERVE_PUBLISH_BATCH,
    APPEND,
    REDIS_READ,
    REDIS_FILL,
    REDIS_EPOCHS,
    SELECT_TENANTS,
    SELECT_BINDINGS,
    SELECT_CALLS,
)


class Content(Enum):
    """What an attribute may hold, and so what is done to it before it leaves the process."""

    # A word or a code of a few characters, or a count. Digit runs are masked all the same.
    CODE = "code"
    # A name that we or the operators gave, never one that came from outside: it leaves as it is.
    IDENTIFIER = "identifier"
    # A phone number: it leaves masked.
    NUMBER = "number"
    # Text that may quote somebody's input: cut, and digit runs in it are masked.
    TEXT = "text"


# What is not in this table can't leave the process.
ATTRIBUTES: Final[dict[str, Content]] = {
    # Of every call on the gateway: `POST`.
    "http.request.method": Content.CODE,
    # The route, without the URL's token: `/v1/calls`.
    "http.route": Content.CODE,
    # The status that was answered, or that a webhook's endpoint answered.
    "http.response.status_code": Content.CODE,
    # Which resend of a request this is, from 1: a webhook's attempts after the first.
    "http.request.resend_count": Content.CODE,
    # Between the services: `grpc`.
    "rpc.system.name": Content.CODE,
    # `sqlite`, `postgresql` or `redis`.
    "db.system.name": Content.CODE,
    # How many keys or rows were asked for or written at once.
    "db.operation.batch.size": Content.CODE,
    # `axbridge`: what subscriptions and webhooks are sent through.
    "messaging.system": Content.CODE,
    # The subscription's name, or the webhook's id.
    "messaging.destination.name": Content.IDENTIFIER,
    # The class of what went wrong, also on the span's event `exception`.
    "error.type": Content.CODE,
    # On the event `exception`: the class.
    "exception.type": Content.CODE,
    # On the event `exception`: its message.
    "exception.message": Content.TEXT,
    # The enterprise, where it is known to exist.
    "axbridge.tenant_id": Content.IDENTIFIER,
    # X, the number that was dialled.
    "axbridge.access_number": Content.NUMBER,
    # The `result` of an answer: `0000`.
    "axbridge.result": Content.CODE,
    # Where the binding was read: `CACHE` or `STORE`.
    "axbridge.decision_source": Content.CODE,
    # The binding that decided.
    "axbridge.binding_id": Content.IDENTIFIER,
    # Its revision.
    "axbridge.binding_revision": Content.CODE,
    # The `code` of an event.
    "axbridge.event_code": Content.CODE,
    # What became of an event: `STORED`, `DUPLICATE`, `CONFLICT`, `INVALID`.
    "axbridge.publish_status": Content.CODE,
    # How many items a batch had, sampled or not.
    "axbridge.batch_size": Content.CODE,
    # Whether a batch was sent for the second time.
    "axbridge.is_retry": Content.CODE,
    # Why a call that the ratio left out is there all the same: `error` or `slow`. Its spans are not complete.
    "axbridge.kept_for": Content.CODE,
    # Seconds from the gateway's receipt of an event until it was sent on.
    "axbridge.delivery_lag_seconds": Content.CODE,
    # What a delivery holds: `event` or `call`.
    "axbridge.delivery_kind": Content.CODE,
    # What became of a webhook's attempt: `delivered`, `retry`, `dead`.
    "axbridge.verdict": Content.CODE,
}
