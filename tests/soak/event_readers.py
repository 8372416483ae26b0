"""Whoever is told of the events: a webhook's endpoint and a subscriber, each noting what it has seen."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Self

import grpc.aio
import orjson
from aiohttp import web
from axbridge.events.v1 import webhook_pb2, webhook_service_pb2
from axbridge.events.v1.webhook_service_pb2_grpc import WebhookServiceStub

from axbridge_client import AxbridgeClient, Start
from tests.soak.event_judge import EventName
from tests.support.processes import free_port
from tests.support.stack import TENANT

SUBSCRIPTION = "soak"


class Seen:
    """What a reader has got: each event in the order in which it came first, and how many came again."""

    def __init__(self) -> None:
        self.first: dict[EventName, None] = {}
        self.repetitions = 0

    def add(self, name: EventName) -> None:
        self.repetitions += name in self.first
        self.first[name] = None


class Endpoint:
    """An endpoint of a webhook on loopback; it takes everything."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.port = free_port()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def register(self, events_target: str) -> None:
        """Have the event service post everything here."""
        webhook = webhook_pb2.Webhook(
            tenant_id=TENANT,
            url=f"http://127.0.0.1:{self.port}/",
            message_types=[webhook_pb2.WEBHOOK_MESSAGE_TYPE_CALL_EVENT],
            limits=webhook_pb2.WebhookLimits(max_in_flight=32, timeout_ms=5000),
        )
        async with grpc.aio.insecure_channel(events_target) as channel:
            request = webhook_service_pb2.CreateWebhookRequest(webhook=webhook)
            await WebhookServiceStub(channel).CreateWebhook(request, timeout=10)

    async def _take(self, request: web.Request) -> web.Response:
        data = orjson.loads(await request.read())["data"]
        self.seen.add(EventName(data["session_id"], data["call_id"], data["seq"], data["code"]))
        return web.Response(status=204)


class Subscriber:
    """A subscriber by the project's own client."""

    def __init__(self, events_target: str) -> None:
        self.seen = Seen()
        self._client = AxbridgeClient(events_target)
        self._task: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._client)
        await self._client.create_subscription(TENANT, SUBSCRIPTION, start=Start.earliest())
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._stack.aclose()

    def check(self) -> None:
        """Raises what ended the reading, if it has ended: it never should."""
        if self._task is not None and self._task.done():
            self._task.result()
            raise AssertionError("the subscription ended")

    async def _read(self) -> None:
        async for delivery in self._client.subscribe(TENANT, SUBSCRIPTION):
            event = delivery.event.event
            self.seen.add(EventName(event.session_id, event.call_id, event.seq, event.code))
