"""The event service's API behind its guard, with what a test needs to see of its audit log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from axbridge.events.v1 import (
    call_service_pb2_grpc,
    event_service_pb2_grpc,
    privacy_service_pb2_grpc,
    subscription_service_pb2_grpc,
    webhook_pb2,
    webhook_service_pb2_grpc,
)
from axbridge.events.v1 import privacy_service_pb2 as privacy_pb2
from axbridge.events.v1 import webhook_service_pb2 as webhooks_pb2
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.auth.api_keys import ApiKey
from common.auth.grants import Scope
from common.auth.interceptor import AccessInterceptor
from common.clock import from_microseconds, to_microseconds
from common.grpc_channel import open_channel
from common.grpc_server import GrpcServerOptions, running_server
from common.limits.rpc_limits import RpcLimiter, RpcLimits
from common.limits.token_bucket import LocalRateLimiter
from common.sql import begin_write
from common.telemetry.tracing import Tracer
from event_service.access import REQUIREMENTS
from event_service.group_commit import GroupCommitter, GroupLimits
from event_service.migrate import migrate
from event_service.privacy.audit import AuditService
from event_service.privacy.servicer import PrivacyServicer
from event_service.privacy.sql_audit import SqlAuditLog
from event_service.reports import CallReporting
from event_service.service import CallQueries, EventIntake, QuarantineDesk
from event_service.servicer import CallServicer, EventServicer
from event_service.sql_calls import SqlCallReader
from event_service.sql_database import EventDatabase
from event_service.sql_engine import open_event_engine
from event_service.sql_log import SqlEventLog, create_partitions
from event_service.sql_quarantine import QuarantineBounds, SqlQuarantine
from event_service.sql_reports import SqlCallReports
from event_service.sql_schema import audit_entries
from event_service.sql_upkeep import SqlCallUpkeep
from event_service.subscriptions.service import SubscriptionService
from event_service.subscriptions.servicer import SubscriptionServicer
from event_service.subscriptions.sql_subscriptions import SqlSubscriptionStore
from event_service.webhooks.addresses import AddressPolicy
from event_service.webhooks.courier import Courier
from event_service.webhooks.delivery_service import DeliveryService
from event_service.webhooks.domain import HttpResult
from event_service.webhooks.schedule import RetrySchedule
from event_service.webhooks.sealing import AesGcmSealer
from event_service.webhooks.service import WebhookRules, WebhookService
from event_service.webhooks.servicer import WebhookServicer
from event_service.webhooks.sql_desk import SqlDeliveryDesk
from event_service.webhooks.sql_schema import webhook_deliveries
from event_service.webhooks.sql_webhooks import SqlWebhookStore
from event_service.webhooks.urls import UrlPolicy
from tests.support.clock import FakeClock
from tests.unit.common.auth.conftest import Keyring, metadata
from tests.unit.event_service.builders import TENANT
from tests.unit.event_service_webhooks.fakes import FakePoster

OTHER_TENANT = "100002"
URL = "https://hooks.example.com/in/one"
TOKEN = "s3cret-in-the-url"
OPERATOR = frozenset({Scope.READ, Scope.ADMIN})


@dataclass
class Service:
    """The event service's API behind its guard, on a database."""

    engine: AsyncEngine
    database: EventDatabase
    clock: FakeClock
    keys: Keyring
    quarantine: SqlQuarantine
    log: SqlEventLog
    channel: Any

    def __post_init__(self) -> None:
        self.operator = self.keys.add(None, OPERATOR, "ops")
        self.own = self.keys.add(frozenset({TENANT}), OPERATOR, "own")
        self.foreign = self.keys.add(frozenset({OTHER_TENANT}), OPERATOR, "foreign")
        self.webhooks: Any = webhook_service_pb2_grpc.WebhookServiceStub(self.channel)
        self.subscriptions: Any = subscription_service_pb2_grpc.SubscriptionServiceStub(self.channel)
        self.events: Any = event_service_pb2_grpc.EventServiceStub(self.channel)
        self.calls: Any = call_service_pb2_grpc.CallServiceStub(self.channel)
        self.privacy: Any = privacy_service_pb2_grpc.PrivacyServiceStub(self.channel)

    @property
    def now_us(self) -> int:
        return to_microseconds(self.clock.now())

    async def entries(self, tenant_id: str = TENANT, key: ApiKey | None = None, **fields: Any) -> list[Any]:
        request = privacy_pb2.ListAuditEntriesRequest(tenant_id=tenant_id, **fields)
        answer = await self.privacy.ListAuditEntries(request, metadata=metadata(key or self.operator), timeout=10)
        return list(answer.entries)

    async def stored(self) -> list[Any]:
        """Every row there is, whoever's."""
        async with self.engine.connect() as connection:
            return list((await connection.execute(select(audit_entries).order_by(audit_entries.c.entry_id))).all())

    async def ask(self, call: Any, request: Any, key: ApiKey | None = None) -> Any:
        return await call(request, metadata=metadata(key or self.own), timeout=10)

    async def written(self, call: Any, request: Any, key: ApiKey | None = None) -> tuple[Any, Any]:
        """What a write answers, and its entry: the only one that it leaves, by its caller, now."""
        before = await self.stored()
        self.clock.advance(1)
        answer = await self.ask(call, request, key)
        (row,) = (await self.stored())[len(before) :]
        assert from_microseconds(row.at_us) == self.clock.now()
        return answer, row

    async def refused(self, call: Any, request: Any, code: grpc.StatusCode, key: ApiKey | None = None) -> None:
        before = await self.stored()
        with pytest.raises(grpc.RpcError) as failure:
            await self.ask(call, request, key)
        assert failure.value.code() is code  # type: ignore[attr-defined]
        assert await self.stored() == before

    async def create_webhook(self, **fields: Any) -> tuple[str, str]:
        webhook = webhook_pb2.Webhook(**{"tenant_id": TENANT, "url": f"{URL}?token={TOKEN}", **fields})
        made = await self.ask(
            self.webhooks.CreateWebhook, webhooks_pb2.CreateWebhookRequest(webhook=webhook), self.operator
        )
        return made.webhook.webhook_id, made.secret

    async def add_dead_letter(self, webhook_id: str, delivery_id: int, state: str = "dead") -> None:
        row = {
            "delivery_id": delivery_id,
            "webhook_id": webhook_id,
            "partition_id": 0,
            "call_key": delivery_id.to_bytes(16, "big"),
            "state": state,
            "due_at_us": self.now_us,
            "queued_at_us": self.now_us,
            "expires_at_us": self.now_us + 1,
            "attempts": 3,
            "lease_token": "",
            "message_id": f"evt_{delivery_id}",
            "message_type": "call.event",
            "session_id": f"s{delivery_id}",
            "reason": "",
            "last_status_code": 500,
            "last_error": "",
            "body": b"{}",
        }
        async with begin_write(self.engine) as connection:
            await connection.execute(insert(webhook_deliveries).values(row))


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[Service]:
    """The service on a database of its own, while the context is open."""
    engine = open_event_engine(database_url, pool_timeout_seconds=10)
    clock, keys = FakeClock(), Keyring()
    database = EventDatabase(engine)
    try:
        await migrate(engine)
        log = SqlEventLog(engine, clock, await create_partitions(engine, 4))
        committer = GroupCommitter(log, GroupLimits())
        quarantine = SqlQuarantine(database, QuarantineBounds(100, 1_000_000))
        sealer, rules = AesGcmSealer([b"k" * 32]), WebhookRules(UrlPolicy(AddressPolicy()), 3, 77)
        courier = Courier(FakePoster(HttpResult(204)), sealer, RetrySchedule((5,), lambda: 0.5), clock)
        webhooks = WebhookService(SqlWebhookStore(database), sealer, rules, clock)
        deliveries = DeliveryService(webhooks, SqlDeliveryDesk(database), courier, rules, clock)
        subscriptions = SubscriptionService(SqlSubscriptionStore(database), clock, 2)
        reporting = CallReporting(SqlCallReports(database), SqlCallUpkeep(database, clock, 4))
        audit = AuditService(SqlAuditLog(database), clock)
        intake, desk = EventIntake(committer, clock), QuarantineDesk(quarantine, clock)

        def add(server: grpc.aio.Server) -> None:
            webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server(WebhookServicer(webhooks, deliveries), server)
            subscription_service_pb2_grpc.add_SubscriptionServiceServicer_to_server(
                SubscriptionServicer(subscriptions, None),  # type: ignore[arg-type]
                server,
            )
            event_service_pb2_grpc.add_EventServiceServicer_to_server(
                EventServicer(intake, desk, Tracer(None, clock)), server
            )
            call_service_pb2_grpc.add_CallServiceServicer_to_server(
                CallServicer(CallQueries(SqlCallReader(database)), reporting, clock), server
            )
            privacy_service_pb2_grpc.add_PrivacyServiceServicer_to_server(PrivacyServicer(audit), server)

        limiter = RpcLimiter(LocalRateLimiter(clock), RpcLimits(None, None, 10))
        guard = AccessInterceptor(REQUIREMENTS, lambda: keys.current, limiter, clock, audit)
        options = GrpcServerOptions("127.0.0.1:0", drain_seconds=1.0)
        async with running_server(options, add, (), [guard]) as server, open_channel(server.address) as channel:
            yield Service(engine, database, clock, keys, quarantine, log, channel)
    finally:
        await database.drain()
        await engine.dispose()
