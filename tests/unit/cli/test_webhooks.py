"""`axbridge webhooks`: what is asked for, and what is shown of the answer."""

from datetime import UTC, datetime

import pytest
from axbridge.events.v1 import webhook_pb2, webhook_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from tests.unit.cli.conftest import Cli, FakeServices

TENANT, ID = "100001", "wh_4hxbu5mklqyi7vpk6thtf5mzla"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def at(second: int) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime(2026, 3, 1, 8, 0, second, tzinfo=UTC))
    return stamp


def webhook(**fields: object) -> webhook_pb2.Webhook:
    values: dict[str, object] = {
        "webhook_id": ID,
        "tenant_id": TENANT,
        "url": "https://hooks.example.com/calls",
        "state": webhook_pb2.WEBHOOK_STATE_ENABLED,
        "limits": webhook_pb2.WebhookLimits(max_in_flight=8, timeout_ms=15_000),
        "secrets": [webhook_pb2.WebhookSecretInfo(created_at=at(0))],
        "revision": 1,
        **fields,
    }
    return webhook_pb2.Webhook(**values)  # type: ignore[arg-type]


def attempt(**fields: object) -> webhook_pb2.WebhookAttempt:
    values = {
        "message_id": "evt_1",
        "message_type": "call.event",
        "attempt": 3,
        "started_at": at(1),
        "took_ms": 12,
        **fields,
    }
    return webhook_pb2.WebhookAttempt(**values)  # type: ignore[arg-type]


def test_add_sends_the_settings_and_shows_the_secret_whole(cli: Cli, services: FakeServices) -> None:
    services.answers["CreateWebhook"] = webhook_service_pb2.CreateWebhookResponse(webhook=webhook(), secret=SECRET)
    shown = cli.ok(
        *("webhooks", "add", "https://hooks.example.com/calls", "--tenant", TENANT, "--description", "billing"),
        *("--message", "call-completed", "--code", "22", "--code", "32", "--max-in-flight", "4", "--state", "paused"),
        *("--max-per-second", "50", "--timeout-ms", "2000"),
    )
    (request,) = services.requests
    assert isinstance(request, webhook_service_pb2.CreateWebhookRequest)
    assert request.webhook == webhook_pb2.Webhook(
        tenant_id=TENANT,
        url="https://hooks.example.com/calls",
        description="billing",
        message_types=[webhook_pb2.WEBHOOK_MESSAGE_TYPE_CALL_COMPLETED],
        event_codes=["22", "32"],
        state=webhook_pb2.WEBHOOK_STATE_PAUSED,
        limits=webhook_pb2.WebhookLimits(max_in_flight=4, max_per_second=50, timeout_ms=2000),
    )
    assert f"webhook {ID} added" in shown
    assert f"shown only now: {SECRET}\n" in shown
    added = cli.json("webhooks", "add", "https://hooks.example.com/calls", "--tenant", TENANT)
    assert (added["secret"], added["webhook"]["webhook_id"]) == (SECRET, ID)


def test_update_names_what_was_given(cli: Cli, services: FakeServices) -> None:
    services.answers["UpdateWebhook"] = webhook_service_pb2.UpdateWebhookResponse(webhook=webhook(revision=4))
    cli.ok(
        *("webhooks", "update", ID, "--tenant", TENANT, "--url", "https://b.example/", "--timeout-ms", "0"),
        *("--clear", "event_codes", "--if-revision", "3"),
    )
    (request,) = services.requests
    assert isinstance(request, webhook_service_pb2.UpdateWebhookRequest)
    assert list(request.update_mask.paths) == ["limits.timeout_ms", "url", "event_codes"]
    assert (request.webhook.url, request.expected_revision) == ("https://b.example/", 3)
    assert "nothing to change" in cli.error("webhooks", "update", ID, "--tenant", TENANT, code=2)
    assert "--max-in-flight" in cli.error("webhooks", "update", ID, "--tenant", TENANT, "--max-in-flight", "-1", code=2)


def test_show_tells_how_it_does(cli: Cli, services: FakeServices) -> None:
    services.answers["GetWebhook"] = webhook_service_pb2.GetWebhookResponse(
        webhook=webhook(state=webhook_pb2.WEBHOOK_STATE_DISABLED, state_reason="the endpoint answered 410 Gone"),
        status=webhook_pb2.WebhookStatus(
            circuit=webhook_pb2.WEBHOOK_CIRCUIT_HALF_OPEN,
            consecutive_failures=7,
            last_failure_at=at(5),
            last_error="no answer in time",
            pending=3,
            oldest_pending_at=at(2),
            dead_letters=2,
        ),
    )
    shown = cli.ok("webhooks", "show", ID, "--tenant", TENANT)
    for text in (
        "disabled",
        "410 Gone",
        "half-open",
        "7",
        "no answer in time",
        "3, the oldest since 2026-03-01",
        "never",
    ):
        assert text in shown
    assert cli.json("webhooks", "show", ID, "--tenant", TENANT)["status"]["pending"] == "3"


def test_lists_follow_the_pages_up_to_the_limit(cli: Cli, services: FakeServices) -> None:
    def page(
        request: webhook_service_pb2.ListWebhookAttemptsRequest,
    ) -> webhook_service_pb2.ListWebhookAttemptsResponse:
        first = int(request.page_token or 0)
        size = min(request.page_size, 2)
        found = [attempt(message_id=f"evt_{number}") for number in range(first, min(first + size, 5))]
        token = str(first + size) if first + size < 5 else ""
        return webhook_service_pb2.ListWebhookAttemptsResponse(attempts=found, next_page_token=token)

    services.answers["ListWebhookAttempts"] = page
    arguments = ("webhooks", "attempts", ID, "--tenant", TENANT)
    assert [each["message_id"] for each in cli.json(*arguments)] == [f"evt_{number}" for number in range(5)]
    assert len(cli.json(*arguments, "--limit", "3")) == 3
    shown = cli.ok(*arguments)
    assert "evt_4" in shown
    assert "delivered, HTTP status 0" in shown


def test_what_an_endpoint_answered_commands_no_terminal(cli: Cli, services: FakeServices) -> None:
    nasty = attempt(error="answered with HTTP status 500", status_code=500, response_excerpt="\x1b[2J[red]x")
    services.answers["ListWebhookAttempts"] = webhook_service_pb2.ListWebhookAttemptsResponse(attempts=[nasty])
    services.answers["SendTestDelivery"] = webhook_service_pb2.SendTestDeliveryResponse(attempt=nasty)
    for shown in (
        cli.ok("webhooks", "attempts", ID, "--tenant", TENANT),
        cli.run("webhooks", "test", ID, "--tenant", TENANT).stdout,
    ):
        assert "\x1b" not in shown
        assert "[red]x" in shown


def test_a_test_that_fails_exits_with_1(cli: Cli, services: FakeServices) -> None:
    services.answers["SendTestDelivery"] = webhook_service_pb2.SendTestDeliveryResponse(
        attempt=attempt(status_code=200)
    )
    assert "evt_1 delivered, HTTP status 200 after 12 ms" in cli.ok("webhooks", "test", ID, "--tenant", TENANT)
    failed = attempt(error="no answer in time")
    services.answers["SendTestDelivery"] = webhook_service_pb2.SendTestDeliveryResponse(attempt=failed)
    assert "no answer in time" in cli.error("webhooks", "test", ID, "--tenant", TENANT)


def test_dead_letters_stand_under_their_headings_and_their_bodies_are_asked_for(
    cli: Cli, services: FakeServices
) -> None:
    letter = webhook_pb2.WebhookDeadLetter(
        delivery_id=17,
        message_id="evt_1",
        message_type="call.event",
        session_id="s1",
        queued_at=at(1),
        died_at=at(9),
        attempts=10,
        reason="every attempt failed",
        last_status_code=500,
        last_error="answered with HTTP status 500",
        raw_body=b"{}",
    )
    services.answers["ListDeadLetters"] = webhook_service_pb2.ListDeadLettersResponse(dead_letters=[letter])
    shown = cli.ok("webhooks", "dead-letters", ID, "--tenant", TENANT).splitlines()
    heading, row = shown[1], shown[3]
    for name, cell in (
        ("delivery", "17"),
        ("message", "evt_1"),
        ("sid", "s1"),
        ("attempts", "10"),
        ("reason", "every"),
    ):
        assert row[heading.index(name) :].lstrip().startswith(cell) or row[: heading.index(name) + len(name)].endswith(
            cell
        )
    assert "raw_body" not in cli.json("webhooks", "dead-letters", ID, "--tenant", TENANT)[0]
    assert "raw_body" in cli.json("webhooks", "dead-letters", ID, "--tenant", TENANT, "--unmask")[0]
    assert [request.include_body for request in services.requests] == [False, False, True]  # type: ignore[attr-defined]


def test_replay_says_which_or_all(cli: Cli, services: FakeServices) -> None:
    services.answers["ReplayDeadLetters"] = webhook_service_pb2.ReplayDeadLettersResponse(replayed=2)
    assert cli.ok("webhooks", "replay", ID, "17", "18", "--tenant", TENANT) == "2 queued again\n"
    assert cli.json("webhooks", "replay", ID, "--all", "--tenant", TENANT) == {"replayed": 2}
    some, everything = services.requests
    assert isinstance(some, webhook_service_pb2.ReplayDeadLettersRequest)
    assert isinstance(everything, webhook_service_pb2.ReplayDeadLettersRequest)
    assert (list(some.delivery_ids), some.all) == ([17, 18], False)
    assert (list(everything.delivery_ids), everything.all) == ([], True)
    for wrong in ((), ("17", "--all")):
        assert "say which" in cli.error("webhooks", "replay", ID, *wrong, "--tenant", TENANT, code=2)


@pytest.mark.parametrize(("span", "seconds"), [("24h", 86_400), ("0s", 0), ("7d", 7 * 86_400)])
def test_rotate_keeps_the_previous_secret_as_long_as_told(
    cli: Cli, services: FakeServices, span: str, seconds: int
) -> None:
    answer = webhook_service_pb2.RotateWebhookSecretResponse(webhook=webhook(), secret=SECRET)
    services.answers["RotateWebhookSecret"] = answer
    shown = cli.ok("webhooks", "rotate-secret", ID, "--tenant", TENANT, "--keep-previous", span)
    (request,) = services.requests
    assert isinstance(request, webhook_service_pb2.RotateWebhookSecretRequest)
    assert request.HasField("keep_previous")
    assert request.keep_previous.seconds == seconds
    assert SECRET in shown
    assert ("previous" in shown) is bool(seconds)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFoundError("the enterprise has no such webhook", reason="WEBHOOK_NOT_FOUND"), "axbridge webhooks list"),
        (FailedPreconditionError("the webhook is disabled", reason="WEBHOOK_DISABLED"), "--state enabled"),
        (
            InvalidArgumentError("webhook.url", "the address is not allowed: private", reason="ADDRESS_REFUSED"),
            "URL: the address is not allowed: private; an operator can allow it",
        ),
        (InvalidArgumentError("webhook.limits.timeout_ms", "from 1000 to 30000"), "--timeout-ms: from 1000"),
    ],
)
def test_errors_say_what_to_do(cli: Cli, services: FakeServices, error: Exception, said: str) -> None:
    services.answers["DeleteWebhook"] = error
    assert said in cli.error("webhooks", "delete", ID, "--tenant", TENANT)
