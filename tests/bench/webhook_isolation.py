"""How much do endpoints that misbehave delay one that behaves? `python -m tests.bench.webhook_isolation [--postgres]`

Real event service, real HTTP, SQLite or PostgreSQL. Rounds without and with four bad endpoints (500, hanging, dropping
connections, redirecting) take turns, so that what else the machine does falls on both. The bad ones begin each of their
rounds with the backlog of a long outage; before the next round it is gone from the database. Each event is a call of
its own, published at a steady rate; measured is the time from the acknowledgement of the event to its arrival at the
good endpoint. The exit code is 1 when the 99th percentile with the bad ones is over 1.5 times the one without.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import grpc
from axbridge.events.v1 import event_pb2, event_service_pb2, webhook_pb2, webhook_service_pb2
from axbridge.events.v1.event_service_pb2_grpc import EventServiceStub
from axbridge.events.v1.webhook_service_pb2_grpc import WebhookServiceStub

from common.sql import open_engine
from event_service.migrate import migrate
from tests.bench.webhook_backlog import Backlog
from tests.support.postgres import PostgresServer
from tests.support.receivers import Answer, Receiver
from tests.support.stack import Service

PREFIX = "AXBRIDGE_EVENTS"
TENANT = "100001"
MAX_RATIO = 1.5
KINDS = {False: "without           ", True: "with bad endpoints"}


class Bench:
    """One event service with one good endpoint, and bad ones that come and go, with `backlog` deliveries each."""

    def __init__(self, stack: ExitStack, directory: Path, database_url: str, backlog: int) -> None:
        self._backlog, self._backlog_size = Backlog(database_url, TENANT), backlog
        env = {
            f"{PREFIX}_DATA_DIR": str(directory),
            f"{PREFIX}_DATABASE_URL": database_url,
            # Shorter than usual, so that the endpoints are tried during a round and not only at its beginning.
            f"{PREFIX}_WEBHOOKS_CIRCUIT_OPEN_SECONDS": "0.5",
            f"{PREFIX}_WEBHOOKS_ALLOW_HTTP": "true",
            f"{PREFIX}_WEBHOOKS_ALLOWED_PORTS": "1024-65535",
            f"{PREFIX}_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        self.service = Service("event_service", PREFIX, directory, env)
        self.service.start()
        stack.callback(self.service.stop)
        channel = stack.enter_context(grpc.insecure_channel(self.service.address))
        self.webhooks = WebhookServiceStub(channel)
        self.events = EventServiceStub(channel)
        self.good = stack.enter_context(Receiver())
        elsewhere = stack.enter_context(Receiver())
        self.bad = [
            stack.enter_context(Receiver(answer))
            for answer in (
                Answer(status=500),
                Answer(hangs=True),
                Answer(drops=True),
                Answer(status=302, headers={"Location": elsewhere.url}),
            )
        ]
        self.good.secret = self.add(self.good).secret
        self._published = 0

    def add(self, receiver: Receiver) -> webhook_service_pb2.CreateWebhookResponse:
        webhook = webhook_pb2.Webhook(
            tenant_id=TENANT, url=receiver.url, message_types=[webhook_pb2.WEBHOOK_MESSAGE_TYPE_CALL_EVENT]
        )
        return self.webhooks.CreateWebhook(webhook_service_pb2.CreateWebhookRequest(webhook=webhook), timeout=10)

    def round(self, seconds: float, rate: float, *, with_bad: bool) -> list[float]:
        """Milliseconds from acknowledgement to arrival of each event."""
        ids = self._add_bad() if with_bad else []
        acknowledged: dict[str, float] = {}
        before = len(self.good.received)
        begin = time.monotonic()
        for number in range(int(seconds * rate)):
            pause = begin + number / rate - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            self._published += 1
            name = f"s{self._published}"
            event = event_pb2.CallEvent(
                tenant_id=TENANT,
                session_id=name,
                call_id="c",
                seq="1",
                code="15",
                received_at_us=time.time_ns() // 1000,
            )
            self.events.PublishBatch(event_service_pb2.PublishBatchRequest(events=[event]), timeout=10)
            acknowledged[name] = time.monotonic()
        self.good.wait_for(before + len(acknowledged), 60)
        self._remove_bad(ids)
        arrived = {each.body["data"]["session_id"]: each for each in self.good.received[before:]}
        assert all(each.verified for each in arrived.values())
        # An arrival can be before the acknowledgement has come back to us.
        return [max(0.0, 1000 * (arrived[name].received_at - at)) for name, at in acknowledged.items()]

    def _add_bad(self) -> list[str]:
        ids = [self.add(receiver).webhook.webhook_id for receiver in self.bad]
        if self._backlog_size:
            asyncio.run(self._backlog.fill(ids, self._backlog_size))
        return ids

    def _remove_bad(self, ids: Sequence[str]) -> None:
        for webhook_id in ids:
            request = webhook_service_pb2.DeleteWebhookRequest(tenant_id=TENANT, webhook_id=webhook_id)
            self.webhooks.DeleteWebhook(request, timeout=10)
        if ids:
            asyncio.run(self._backlog.wait_until_gone(ids))


async def new_database(server: PostgresServer) -> str:
    """The URL of a database that the service starts on; SQLite's it makes itself."""
    url = await server.create_database()
    engine = open_engine(url)
    try:
        await migrate(engine)
    finally:
        await engine.dispose()
    return url


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def shown(values: list[float]) -> str:
    return ", ".join(f"p{int(100 * share)} {percentile(values, share):.1f} ms" for share in (0.5, 0.9, 0.99))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4, help="rounds of each kind")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a round")
    parser.add_argument("--rate", type=float, default=40.0, help="events per second")
    parser.add_argument("--backlog", type=int, default=3000, help="deliveries that each bad endpoint begins with")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    arguments = parser.parse_args()
    taken: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        url = f"sqlite+aiosqlite:///{Path(directory) / 'events.db'}"
        if arguments.postgres:
            server = PostgresServer(Path(directory) / "postgres")
            stack.callback(server.stop)
            server.start()
            url = asyncio.run(new_database(server))
        bench = Bench(stack, Path(directory), url, arguments.backlog)
        bench.round(2.0, arguments.rate, with_bad=False)
        for number in range(2 * arguments.rounds):
            with_bad = bool(number % 2)
            values = bench.round(arguments.seconds, arguments.rate, with_bad=with_bad)
            taken[with_bad] += values
            print(f"round {number + 1}, {KINDS[with_bad]}: {shown(values)}", flush=True)
        # That they were really tried, old messages among them.
        for receiver in bench.bad:
            old = sum(each.body["data"]["session_id"].startswith("old") for each in receiver.received)
            print(f"bad endpoint, {receiver.answer}: {len(receiver.received)} requests, {old} for the backlog")
    for with_bad, values in taken.items():
        print(f"{KINDS[with_bad]}: {len(values)} events, {shown(values)}")
    ratio = percentile(taken[True], 0.99) / percentile(taken[False], 0.99)
    print(f"ratio of the 99th percentiles: {ratio:.2f} (at most {MAX_RATIO})")
    return 0 if ratio <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
