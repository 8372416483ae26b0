"""Webhooks from real processes to endpoints that behave, and to endpoints that don't."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from axbridge.events.v1 import event_pb2, event_service_pb2, webhook_pb2, webhook_service_pb2
from axbridge.events.v1.event_service_pb2_grpc import EventServiceStub
from axbridge.events.v1.webhook_service_pb2_grpc import WebhookServiceStub

from common.sql import open_engine
from event_service.migrate import migrate
from tests.support.cli import run_cli
from tests.support.http import XML, post
from tests.support.postgres import PostgresServer
from tests.support.receivers import Answer, Receiver
from tests.support.stack import ACCESS, TENANT, A, B, Service, Stack

PREFIX = "AXBRIDGE_EVENTS"
LOOPBACK = {
    f"{PREFIX}_WEBHOOKS_ALLOW_HTTP": "true",
    f"{PREFIX}_WEBHOOKS_ALLOWED_PORTS": "1024-65535",
    f"{PREFIX}_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
}
# Three attempts within a second, short pauses, quick takeovers.
HASTY = LOOPBACK | {
    f"{PREFIX}_WEBHOOKS_RETRY_DELAYS_SECONDS": "0.2,0.3",
    f"{PREFIX}_WEBHOOKS_CIRCUIT_OPEN_SECONDS": "0.2",
    f"{PREFIX}_WEBHOOKS_LEASE_MARGIN_SECONDS": "1",
    f"{PREFIX}_WEBHOOKS_POLL_SECONDS": "0.05",
}
# For what is killed and started again: a message must not be out of time before it had its chance.
PATIENT = HASTY | {f"{PREFIX}_WEBHOOKS_RETRY_DELAYS_SECONDS": "0.2,0.2,0.2,600"}
CODES = ("15", "16", "30")
MESSAGES_PER_CALL = len(CODES) + 1


class Events:
    """One event service, and a client of it."""

    def __init__(self, directory: Path, env: dict[str, str], name: str = "one") -> None:
        self.tenant_id = TENANT
        folder = directory / name
        folder.mkdir()
        data = {f"{PREFIX}_DATA_DIR": str(directory / "data"), "PYTHONUNBUFFERED": "1"}
        self.service = Service("event_service", PREFIX, folder, {**data, **env})
        self.service.start()
        self._channel = grpc.insecure_channel(self.service.address)
        self.webhooks = WebhookServiceStub(self._channel)
        self.events = EventServiceStub(self._channel)

    def add(self, receiver: Receiver, **fields: object) -> str:
        """Add a webhook for the receiver; its id. The receiver is told its secret."""
        webhook = webhook_pb2.Webhook(tenant_id=self.tenant_id, url=receiver.url, **fields)  # type: ignore[arg-type]
        added = self.webhooks.CreateWebhook(webhook_service_pb2.CreateWebhookRequest(webhook=webhook), timeout=10)
        receiver.secret = added.secret
        return added.webhook.webhook_id

    def publish(self, sessions: list[str], codes: tuple[str, ...] = CODES) -> None:
        """Store a call's events for each session, code by code over all the calls."""
        for place, code in enumerate(codes):
            now_us = time.time_ns() // 1000
            batch = [
                event_pb2.CallEvent(
                    tenant_id=self.tenant_id,
                    session_id=name,
                    call_id="c",
                    seq=f"{code}-{place}",
                    code=code,
                    received_at_us=now_us,
                )
                for name in sessions
            ]
            request = event_service_pb2.PublishBatchRequest(events=batch)
            self.events.PublishBatch(request, timeout=20, wait_for_ready=True)

    def status(self, webhook_id: str) -> webhook_service_pb2.GetWebhookResponse:
        request = webhook_service_pb2.GetWebhookRequest(tenant_id=self.tenant_id, webhook_id=webhook_id)
        return self.webhooks.GetWebhook(request, timeout=10, wait_for_ready=True)

    def wait_until_nothing_is_pending(
        self, webhook_id: str, timeout_seconds: float = 60.0
    ) -> webhook_pb2.WebhookStatus:
        deadline = time.monotonic() + timeout_seconds
        while (status := self.status(webhook_id).status).pending:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status

    def cli(self, *arguments: str) -> str:
        return run_cli(
            "webhooks", *arguments, "--tenant", self.tenant_id, env={"AXBRIDGE_EVENTS_TARGET": self.service.address}
        )

    def close(self) -> None:
        self._channel.close()
        if self.service.child.running:
            assert self.service.stop() == 0, self.service.child.log()


@contextmanager
def events(directory: Path, env: dict[str, str] | None = None, name: str = "one") -> Iterator[Events]:
    made = Events(directory, HASTY if env is None else env, name)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Events]:
    """An event service that a module's tests share: each uses a tenant of its own."""
    with events(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture
def service(shared: Events, request: pytest.FixtureRequest) -> Events:
    shared.tenant_id = request.node.name[:40]
    return shared


def names(count: int, prefix: str = "s") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_what_the_platform_posts_reaches_a_receiver_that_verifies_it(tmp_path: Path) -> None:
    with Receiver() as receiver, Stack(tmp_path, LOOPBACK) as stack:
        stack.add_tenant()
        stack.bind_axb()
        env = stack.cli_env
        added = json.loads(run_cli("webhooks", "add", receiver.url, "--tenant", TENANT, "--json", env=env))
        receiver.secret = added["secret"]
        fields = f"<sid>s1</sid><vccId>{TENANT}</vccId><callId>c1</callId>"
        query = f"<callingNumber>{A}</callingNumber><accessNumber>{ACCESS}</accessNumber>"
        post(stack.calls_url, f"<request>{fields}<method>query</method>{query}</request>".encode(), XML)
        for number, code in enumerate(("15", "16", "31", "40", "22")):
            event = (
                f"<request>{fields}<seq>{number}</seq><method>event</method><chargeExt/><code>{code}</code></request>"
            )
            assert post(stack.calls_url, event.encode(), XML)[0] == 200
        received = receiver.wait_for(6)
        assert all(delivery.verified for delivery in received)
        deadline = time.monotonic() + 10
        # The answer to the query is recorded beside the call, and may make a further revision of the record.
        while not (record := receiver.received[-1].body["data"]).get("called_number"):
            assert time.monotonic() < deadline, record
            time.sleep(0.02)
        assert (record["state"], record["calling_number"], record["called_number"]) == (
            "completed",
            f"+86{A}",
            f"+86{B}",
        )
        assert receiver.calls()["s1"][:6] == ["15", "16", "31", "40", "22", "record"]
        assert received[0].headers["webhook-id"] == received[0].body["id"]


def test_bad_endpoints_delay_no_good_one_and_lose_nothing(service: Events) -> None:
    with ExitStack() as stack:
        good, elsewhere = (stack.enter_context(Receiver()) for _ in range(2))
        bad = {
            "failing": Receiver(Answer(status=500)),
            "hanging": Receiver(Answer(hangs=True)),
            "dropping": Receiver(Answer(drops=True)),
            "redirecting": Receiver(Answer(status=307, headers={"Location": elsewhere.url})),
        }
        for receiver in bad.values():
            stack.enter_context(receiver)
        limits = webhook_pb2.WebhookLimits(timeout_ms=1000)
        ids = {name: service.add(receiver, limits=limits) for name, receiver in bad.items()}
        good_id = service.add(good)
        sessions = names(40)
        service.publish(sessions)
        total = len(sessions) * MESSAGES_PER_CALL
        received = good.wait_for(total)
        # All of the good one's are there while the bad ones still have nearly everything before them.
        assert service.status(ids["hanging"]).status.pending > total / 2
        assert all(delivery.verified for delivery in received)
        assert len(received) == total
        assert good.calls() == {name: [*CODES, "record"] for name in sessions}
        assert service.wait_until_nothing_is_pending(good_id).dead_letters == 0
        # A dead letter is what each of the others' messages comes to, by attempts or by time.
        for name in ("failing", "dropping", "redirecting", "hanging"):
            status = service.wait_until_nothing_is_pending(ids[name], 110)
            assert status.dead_letters == total, name
        assert elsewhere.received == []


def test_dead_letters_are_listed_and_replayed_once_the_endpoint_is_back(service: Events) -> None:
    with Receiver(Answer(status=503)) as receiver:
        webhook_id = service.add(receiver)
        service.publish(["s1"])
        receiver.wait_for(MESSAGES_PER_CALL)
        assert service.wait_until_nothing_is_pending(webhook_id).dead_letters == MESSAGES_PER_CALL
        failed = receiver.received
        assert all(delivery.verified for delivery in failed)
        attempts = json.loads(service.cli("attempts", webhook_id, "--message-id", failed[0].message_id, "--json"))
        assert [attempt["attempt"] for attempt in attempts] == [3, 2, 1]
        assert {attempt["status_code"] for attempt in attempts} == {503}
        letters = json.loads(service.cli("dead-letters", webhook_id, "--json", "--unmask"))
        assert len(letters) == MESSAGES_PER_CALL
        assert letters[0]["reason"] == "every attempt failed"
        assert "raw_body" in letters[0]
        assert letters[0]["message_id"] in service.cli("dead-letters", webhook_id)
        receiver.answer = Answer()
        assert service.cli("replay", webhook_id, letters[0]["delivery_id"]) == "1 queued again\n"
        service.wait_until_nothing_is_pending(webhook_id)
        assert service.cli("replay", webhook_id, "--all") == f"{MESSAGES_PER_CALL - 1} queued again\n"
        assert service.wait_until_nothing_is_pending(webhook_id).dead_letters == 0
        delivered = [delivery.message_id for delivery in receiver.received[len(failed) :]]
        assert delivered == [letter["message_id"] for letter in letters]


def test_during_a_rotation_both_secrets_verify_and_then_only_the_new_one(service: Events) -> None:
    with Receiver() as old:
        webhook_id = service.add(old)
        new_secret = json.loads(service.cli("rotate-secret", webhook_id, "--keep-previous", "1h", "--json"))["secret"]
        service.publish(["s1"], ("15",))
        (delivery,) = old.wait_for(1)
        assert delivery.verified
        assert len(delivery.headers["webhook-signature"].split(" ")) == 2
        old_secret, old.secret = old.secret, new_secret
        service.publish(["s2"], ("15",))
        assert old.wait_for(2)[-1].verified
        old.secret = old_secret
        assert "signing secret, shown only now: whsec_" in service.cli(
            "rotate-secret", webhook_id, "--keep-previous", "0s"
        )
        service.publish(["s3"], ("15",))
        assert not old.wait_for(3)[-1].verified
        log = service.service.child.log()
        assert "whsec_" not in log
        assert new_secret.removeprefix("whsec_") not in log


def test_gone_disables_and_enabling_goes_on(service: Events) -> None:
    with Receiver(Answer(status=410)) as receiver:
        webhook_id = service.add(receiver)
        service.publish(names(3), ("15",))
        receiver.wait_for(1)
        deadline = time.monotonic() + 30
        while (found := service.status(webhook_id)).webhook.state != webhook_pb2.WEBHOOK_STATE_DISABLED:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert found.webhook.state_reason == "the endpoint answered 410 Gone"
        assert service.wait_until_nothing_is_pending(webhook_id).dead_letters == 3
        service.publish(["passes-by"], ("15",))
        receiver.answer = Answer()
        service.cli("update", webhook_id, "--state", "enabled")
        service.cli("replay", webhook_id, "--all")
        service.publish(["later"], ("15",))
        deadline = time.monotonic() + 30
        while "later" not in receiver.calls():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert service.wait_until_nothing_is_pending(webhook_id).dead_letters == 0
        assert set(receiver.calls()) == {*names(3), "later"}


def test_the_command_line_shows_changes_tests_and_deletes(service: Events) -> None:
    with Receiver() as receiver:
        added = service.cli(
            "add", receiver.url, "--description", "billing", "--message", "call-completed", "--code", "15"
        )
        assert "signing secret, shown only now: whsec_" in added
        webhook_id = added.split()[1]
        assert webhook_id in service.cli("list")
        assert "billing" in service.cli("show", webhook_id)
        assert "2000 ms" in service.cli("update", webhook_id, "--timeout-ms", "2000", "--state", "paused")
        assert "delivered, HTTP status 200" in service.cli("test", webhook_id)
        assert receiver.received[0].body["type"] == "webhook.test"
        assert receiver.received[0].message_id in service.cli("attempts", webhook_id)
        assert service.cli("dead-letters", webhook_id) == "no dead letters\n"
        service.cli("delete", webhook_id)
        assert "no webhooks yet" in service.cli("list")


def test_where_nobody_may_send_us_is_refused_when_it_is_written(service: Events) -> None:
    for url in (
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1:8080/",
        "http://2130706433:8080/",
        "http://127.0.0.1:22/",
    ):
        webhook = webhook_pb2.Webhook(tenant_id=TENANT, url=url)
        with pytest.raises(grpc.RpcError) as refused:
            service.webhooks.CreateWebhook(webhook_service_pb2.CreateWebhookRequest(webhook=webhook), timeout=10)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_nothing_is_lost_over_kills_and_each_call_stays_in_order(tmp_path: Path) -> None:
    with Receiver(Answer(delay_seconds=0.005)) as receiver, events(tmp_path, PATIENT) as service:
        service.add(receiver, limits=webhook_pb2.WebhookLimits(timeout_ms=1000))
        sessions = names(60)
        total = len(sessions) * MESSAGES_PER_CALL
        service.publish(sessions)
        for share in (0.1, 0.4, 0.7):
            receiver.wait_for(int(share * total))
            service.service.child.kill()
            service.service.start()
        received = receiver.wait_for(total, 60)
        assert all(delivery.verified for delivery in received)
        assert receiver.calls() == {name: [*CODES, "record"] for name in sessions}


def test_another_replica_takes_over_what_a_killed_one_had_in_hand(tmp_path: Path) -> None:
    async def prepared(server: PostgresServer) -> str:
        url = await server.create_database()
        engine = open_engine(url)
        await migrate(engine)
        await engine.dispose()
        return url

    server = PostgresServer(tmp_path / "postgres")
    server.start()
    try:
        url = asyncio.run(prepared(server))
        env = PATIENT | {f"{PREFIX}_DATABASE_URL": url}
        with (
            Receiver(Answer(delay_seconds=0.01)) as receiver,
            events(tmp_path, env, "first") as first,
            events(tmp_path, env, "second") as second,
        ):
            second.add(receiver, limits=webhook_pb2.WebhookLimits(timeout_ms=1000))
            sessions = names(60)
            total = len(sessions) * MESSAGES_PER_CALL
            second.publish(sessions[:30])
            receiver.wait_for(20)
            first.service.child.kill()
            second.publish(sessions[30:])
            received = receiver.wait_for(total, 60)
            assert all(delivery.verified for delivery in received)
            assert receiver.calls() == {name: [*CODES, "record"] for name in sessions}
    finally:
        server.stop()
