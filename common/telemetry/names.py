"""Every name under which a service tells of itself, one comment each: spans, their attributes, metrics.

Names follow OpenTelemetry's semantic conventions where they have one; what is our own begins with `axbridge.`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from common.telemetry.definitions import MetricDefinition, counter, gauge, histogram


class SpanKind(IntEnum):
    """What a span is in its trace; the numbers are OTLP's."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4


# Each is one of a kind: compared by identity, which is quick.
@dataclass(frozen=True, slots=True, eq=False)
class SpanType:
    """A span's name and kind, and the attributes that all spans of this type have alike."""

    name: str
    kind: SpanKind
    fixed: Mapping[str, str] = field(default_factory=dict)


_CALLS = {"http.request.method": "POST", "http.route": "/v1/calls"}
_GRPC = {"rpc.system.name": "grpc"}
_REDIS = {"db.system.name": "redis"}
_OURS = {"messaging.system": "axbridge"}

# -- Spans of one call: in the call's trace ----------------------------------------------------------------------------
# The gateway answers a query: from the request's headers to the decision. Its span id follows from the trace id.
QUERY: Final = SpanType("POST /v1/calls query", SpanKind.SERVER, _CALLS)
# The gateway takes an event: from the request's headers until the event is on disk. A child of the call's QUERY.
EVENT: Final = SpanType("POST /v1/calls event", SpanKind.SERVER, _CALLS)
# A query on its way to the routing service: the wait for its batch, and the batch.
ASK_ROUTING: Final = SpanType("resolve", SpanKind.CLIENT)
# An event on its way to the event service, likewise.
PUBLISH: Final = SpanType("publish", SpanKind.CLIENT)
# The routing service decides a query, within a batch.
DECIDE: Final = SpanType("decide", SpanKind.INTERNAL)
# The event service stores an event, within a batch: until it is on disk.
STORE: Final = SpanType("store", SpanKind.INTERNAL)
# An event or a record is sent to a subscriber, over its stream.
SEND_TO_SUBSCRIBER: Final = SpanType("send subscription", SpanKind.PRODUCER, _OURS)
# One attempt to post a message to a webhook's endpoint.
POST_WEBHOOK: Final = SpanType("POST webhook", SpanKind.CLIENT, {"http.request.method": "POST"})

# -- Spans of a batch: in the trace of its only sampled item, or one of their own with links to several ----------------
# The gateway's call of the routing service.
CALL_RESOLVE_BATCH: Final = SpanType("axbridge.routing.v1.RoutingService/ResolveBatch", SpanKind.CLIENT, _GRPC)
# The routing service's side of it.
SERVE_RESOLVE_BATCH: Final = SpanType("axbridge.routing.v1.RoutingService/ResolveBatch", SpanKind.SERVER, _GRPC)
# The gateway's call of the event service.
CALL_PUBLISH_BATCH: Final = SpanType("axbridge.events.v1.EventService/PublishBatch", SpanKind.CLIENT, _GRPC)
# The event service's side of it.
SERVE_PUBLISH_BATCH: Final = SpanType("axbridge.events.v1.EventService/PublishBatch", SpanKind.SERVER, _GRPC)
# One transaction of the event log; it may hold several batches.
APPEND: Final = SpanType("append events", SpanKind.CLIENT)
# A batch is looked up in Redis.
REDIS_READ: Final = SpanType("MGET", SpanKind.CLIENT, _REDIS)
# What was read from the store is remembered in Redis; the query does not wait for it.
REDIS_FILL: Final = SpanType("SET", SpanKind.CLIENT, _REDIS)
# Scopes that Redis did not know get an epoch.
REDIS_EPOCHS: Final = SpanType("EVAL", SpanKind.CLIENT, _REDIS)
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
    # Where it was read what is bound: `CACHE` or `STORE`.
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

# ---- Metrics ---------------------------------------------------------------------------------------------------------
# Each has its name, its unit, what it says and its labels: its comment is what it says, and docs/metrics.md has it too.

# What stands between the fastest answer and the longest budget, in seconds.
_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# What happens inside a process, in seconds.
_SHORT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# From a fast delivery to one that took days of retries, in seconds.
_DELIVERY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 14_400.0, 86_400.0)
# How many go together.
_ITEMS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)

# What each label can hold; nothing else is ever counted.
LABELS: dict[str, str] = {
    "tenant": "a vccId for as many enterprises as `metrics_max_tenants` says, `other` for the rest, `unknown` for what "
    "is no enterprise",
    "result": "a result code of the protocol (docs/codes.md)",
    "status": "the HTTP status of the answer: 200 (to a query, with result 1001), 400, 403, 408, 413, 415 or 503",
    "kind": "`query` or `event`",
    "peer": "`routing_service` or `event_service`",
    "source": "where it was read what is bound: `cache`, `store`, `none`",
    "outcome": "what came of it, from a fixed list for each metric",
    "reason": "why, from a fixed list for each metric",
    "what": "what is cut off: `redis`, `store`",
    "pool": "`read`, `write`, `log`, `subscriptions`, `webhooks`: connections of one kind to the database",
    "mode": "`live`: as events came in; `catching_up`: of what was there before, or too fast for the consumer",
    "method": "`Service/Method`, one that is served; calls of others are not counted",
    "code": "the gRPC status",
    "state": "the state of a delivery, `pending` or `dead`",
}

# Every process.
LOOP_LAG = histogram(
    "axbridge.event_loop.lag", "s", "How late the event loop is, looked at ten times a second.", bounds=_SHORT_SECONDS
)
READY = gauge("axbridge.ready", "", "1 when calls may come here, 0 when not (GET /readyz says why).")
DEGRADED = gauge("axbridge.degraded.reasons", "", "How many things do not work although calls may come.")
PROCESS_CPU = counter("process.cpu.time", "s", "CPU time that the process used.")
PROCESS_MEMORY = gauge("process.memory.usage", "By", "Memory that the process holds (resident).")
PROCESS_FILES = gauge("process.open_file_descriptor.count", "", "Files and sockets that the process has open.")
LOG_LINES_HELD_BACK = counter(
    "axbridge.log.requests.held_back", "", "Lines of requests that went well and were not logged, above the bound."
)
SPANS = counter("axbridge.trace.spans", "", "Spans that were written, by what became of them.", "outcome")

# gRPC services.
RPC_DURATION = histogram(
    "axbridge.rpc.duration",
    "s",
    "How long RPCs took here; a stream counts when it ends.",
    "method",
    "code",
    bounds=_ANSWER_SECONDS,
)
RPC_ACTIVE = gauge("axbridge.rpc.active", "", "RPCs under way, open streams included.")

# gateway.
QUERY_DURATION = histogram(
    "axbridge.gateway.query.duration",
    "s",
    "From a query's headers to its answer.",
    "tenant",
    "result",
    bounds=_ANSWER_SECONDS,
)
EVENT_DURATION = histogram(
    "axbridge.gateway.event.duration",
    "s",
    "From an event's headers to its answer.",
    "tenant",
    "status",
    bounds=_ANSWER_SECONDS,
)
REFUSED_MESSAGES = counter("axbridge.gateway.refused.messages", "", "Messages that could not be read.", "status")
DENIED_MESSAGES = counter("axbridge.gateway.denied.messages", "", "Messages whose sender may not speak for the vccId.")
LIMITED_MESSAGES = counter(
    "axbridge.gateway.limited.messages", "", "Messages over their enterprise's rate: answered 9002 or 503.", "kind"
)
UNEXPECTED_ERRORS = counter("axbridge.gateway.unexpected.errors", "", "Requests that failed for a reason of our own.")
QUARANTINE_LOST = counter(
    "axbridge.gateway.quarantine.lost", "", "Refused messages that could not be kept in the quarantine."
)
BATCH_SIZE = histogram("axbridge.gateway.batch.size", "", "Messages in one RPC.", "kind", bounds=_ITEMS)
BATCH_WAIT = histogram(
    "axbridge.gateway.batch.wait",
    "s",
    "How long the first of a batch waited to be sent.",
    "kind",
    bounds=_SHORT_SECONDS,
)
BATCH_DURATION = histogram(
    "axbridge.gateway.batch.duration", "s", "How long a batch was away.", "kind", "outcome", bounds=_ANSWER_SECONDS
)
BATCH_RETRIES = counter("axbridge.gateway.batch.retries", "", "Batches that were sent a second time.", "kind")
QUEUE_MESSAGES = gauge("axbridge.gateway.queue.messages", "", "Messages that wait to be sent.", "kind")
QUEUE_REFUSED = counter("axbridge.gateway.queue.refused", "", "Messages that found no room to wait.", "kind")
DECISIONS_WAITING = gauge("axbridge.gateway.decisions.waiting", "", "Answered queries that are not recorded yet.")
DECISIONS_DROPPED = counter(
    "axbridge.gateway.decisions.dropped", "", "Answered queries that were lost to the call records."
)
CONNECTIONS = gauge("axbridge.gateway.connections", "", "Open connections of the platform.")
CONNECTIONS_CUT = counter("axbridge.gateway.connections.cut", "", "Connections that were cut or not taken.", "reason")
PEER_REACHABLE = gauge("axbridge.gateway.peer.reachable", "", "1 while the service answers, 0 when not.", "peer")
TENANTS_KNOWN = gauge("axbridge.gateway.tenants", "", "Enterprises that the gateway knows.")

# routing_service.
ROUTING_ANSWERS = counter("axbridge.routing.answers", "", "Queries that were answered here.", "result", "source")
ROUTING_BATCH_DURATION = histogram(
    "axbridge.routing.batch.duration", "s", "How long a batch of queries took.", bounds=_ANSWER_SECONDS
)
ROUTING_BATCH_SIZE = histogram("axbridge.routing.batch.size", "", "Queries in one batch.", bounds=_ITEMS)
CACHE_KEYS = counter("axbridge.routing.cache.keys", "", "Keys that the cache was asked for.", "outcome")
CACHE_LEASES = counter("axbridge.routing.cache.leases", "", "Keys that were missed and may be filled by their reader.")
CACHE_FILLS = counter("axbridge.routing.cache.fills", "", "Entries that were put into the cache.", "outcome")
CACHE_LOADS = counter("axbridge.routing.cache.loads", "", "Keys that were read from the database.", "outcome")
CACHE_LOAD_STATEMENTS = counter("axbridge.routing.cache.load.statements", "", "Statements that read such keys.")
CACHE_WRITES = counter("axbridge.routing.cache.writes", "", "Changes, by how the cache was kept right.", "outcome")
CACHE_AUDITS = counter("axbridge.routing.cache.audits", "", "Answers from the cache that were compared with the store.")
CACHE_MISMATCHES = counter("axbridge.routing.cache.mismatches", "", "Answers from the cache that were stale.")
BREAKER_OPEN = gauge("axbridge.routing.breaker.open", "", "1 while it is not asked because it did not answer.", "what")
CALL_MEMORY = counter("axbridge.routing.call_memory.calls", "", "Calls to remember, by what came of it.", "outcome")
CALL_MEMORY_WAITING = gauge("axbridge.routing.call_memory.waiting", "", "Calls that wait to be stored.")

# Services with a database.
POOL_IN_USE = gauge("axbridge.database.connections.in_use", "", "Connections to the database in use.", "pool")
POOL_SIZE = gauge("axbridge.database.connections.limit", "", "Most connections to the database.", "pool")
POOL_EXHAUSTED = counter(
    "axbridge.database.connections.exhausted", "", "Times that no connection was free in time.", "pool"
)

# event_service.
APPEND_DURATION = histogram(
    "axbridge.events.append.duration", "s", "From a request to its commit.", "outcome", bounds=_ANSWER_SECONDS
)
GROUP_DURATION = histogram("axbridge.events.group.duration", "s", "How long a commit took.", bounds=_ANSWER_SECONDS)
GROUP_SIZE = histogram("axbridge.events.group.size", "", "Events and decisions in one commit.", bounds=_ITEMS)
APPEND_LAG = gauge("axbridge.events.append.lag", "s", "How long the oldest request waits to be written.")
APPEND_QUEUE = gauge("axbridge.events.append.queue", "", "Events and decisions that wait to be written.")
APPEND_QUEUE_BYTES = gauge("axbridge.events.append.queue.size", "By", "Memory of what waits to be written.")
APPEND_REFUSED = counter("axbridge.events.append.refused", "", "Requests that found no room to wait.")
EVENTS_APPENDED = counter("axbridge.events.appended", "", "Events that were taken, by what they were.", "outcome")
DECISIONS_APPENDED = counter("axbridge.events.decisions.appended", "", "Answers to queries that were recorded.")
KNOWN_CALLS = counter(
    "axbridge.events.known_calls.lookups", "", "Calls of new events, by whether they were known.", "outcome"
)
KNOWN_CALLS_KEPT = gauge("axbridge.events.known_calls", "", "Calls that are remembered.")
KNOWN_CALLS_BYTES = gauge("axbridge.events.known_calls.size", "By", "Memory that remembered calls take.")
SUBSCRIPTION_STREAMS = gauge("axbridge.events.subscription.streams", "", "Open streams of subscribers.")
SUBSCRIPTION_LAG = histogram(
    "axbridge.events.subscription.lag",
    "s",
    "From an event's reception by the gateway to its sending to a subscriber.",
    "mode",
    bounds=_DELIVERY_SECONDS,
)
SUBSCRIPTION_ENDS = counter("axbridge.events.subscription.ends", "", "Streams that ended.", "reason")
WEBHOOK_ATTEMPTS = counter(
    "axbridge.events.webhook.attempts", "", "Requests to webhooks, by what came of them.", "outcome"
)
WEBHOOK_DURATION = histogram(
    "axbridge.events.webhook.duration", "s", "How long a request to a webhook took.", bounds=_ANSWER_SECONDS
)
WEBHOOK_LAG = histogram(
    "axbridge.events.webhook.lag",
    "s",
    "From a message's queueing to the end of its first attempt.",
    bounds=_DELIVERY_SECONDS,
)
WEBHOOK_IN_FLIGHT = gauge("axbridge.events.webhook.in_flight", "", "Requests to webhooks under way.")
WEBHOOK_DELIVERIES = gauge("axbridge.events.webhook.deliveries", "", "Messages that are queued, or dead.", "state")
WEBHOOK_OLDEST = gauge("axbridge.events.webhook.oldest", "s", "How long the oldest queued message waits.")
WEBHOOK_HELD = gauge("axbridge.events.webhook.held_endpoints", "", "Enabled endpoints whose circuit is open.")
WEBHOOK_DEAD = counter("axbridge.events.webhook.dead_letters", "", "Messages that were given up.")

# All of them.
METRICS: tuple[MetricDefinition, ...] = tuple(
    each for each in list(globals().values()) if isinstance(each, MetricDefinition)
)
