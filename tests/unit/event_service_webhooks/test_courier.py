"""One attempt, and what it comes to."""

from dataclasses import replace

import pytest
from standardwebhooks import Webhook as Receiver

from common.clock import SystemClock, to_microseconds
from event_service.webhooks.courier import Courier
from event_service.webhooks.domain import HttpResult, SealedSecret, Verdict
from event_service.webhooks.schedule import DEFAULT_DELAYS_SECONDS, SECOND_US, RetrySchedule
from event_service.webhooks.signing import new_secret, secret_text
from tests.support.clock import FakeClock
from tests.unit.event_service_webhooks.fakes import SEALER, FakePoster, lease, webhook

SCHEDULE = RetrySchedule(DEFAULT_DELAYS_SECONDS, lambda: 0.5)
FAILED = HttpResult(500, "answered with HTTP status 500", excerpt="oops")


def courier(poster: FakePoster, clock: FakeClock | None = None) -> Courier:
    return Courier(poster, SEALER, SCHEDULE, clock or FakeClock())


async def test_a_delivery_is_signed_for_its_receiver_at_the_time_of_the_attempt() -> None:
    key, poster = new_secret(), FakePoster()
    hook = webhook(secrets=(SealedSecret(SEALER.seal("wh_1", key), 0),))
    settlement = await Courier(poster, SEALER, SCHEDULE, SystemClock()).deliver(hook, lease())
    assert settlement.verdict is Verdict.DELIVERED
    (request,) = poster.requests
    assert request.url == hook.url
    assert request.timeout_seconds == 15.0
    assert request.headers["Content-Type"] == "application/json"
    Receiver(secret_text(key)).verify(request.body, dict(request.headers))


async def test_the_id_stays_and_the_time_moves_from_attempt_to_attempt() -> None:
    poster, clock = FakePoster(FAILED), FakeClock()
    for attempt in (1, 2):
        await courier(poster, clock).deliver(webhook(), lease(attempt=attempt))
        clock.advance(60)
    first, second = poster.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "evt_1"
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 60
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_a_secret_signs_until_it_ends() -> None:
    clock, poster = FakeClock(), FakePoster()
    now_us = to_microseconds(clock.now())
    old = SealedSecret(SEALER.seal("wh_1", new_secret()), 0, now_us + SECOND_US)
    hook = webhook()
    hook = replace(hook, secrets=(*hook.secrets, old))
    await courier(poster, clock).deliver(hook, lease())
    clock.advance(1)
    await courier(poster, clock).deliver(hook, lease())
    assert [len(request.headers["webhook-signature"].split()) for request in poster.requests] == [2, 1]


async def test_a_failure_is_tried_again_by_the_schedule() -> None:
    clock = FakeClock()
    settlement = await courier(FakePoster(FAILED), clock).deliver(webhook(), lease(attempt=2))
    assert settlement.verdict is Verdict.RETRY
    assert settlement.retry_at_us == to_microseconds(clock.now()) + 300 * SECOND_US
    assert settlement.attempt.result == FAILED
    assert (settlement.attempt.number, settlement.attempt.delivery_id) == (2, 1)


async def test_after_the_last_attempt_it_is_a_dead_letter() -> None:
    settlement = await courier(FakePoster(FAILED)).deliver(webhook(), lease(attempt=10))
    assert (settlement.verdict, settlement.reason) == (Verdict.DEAD, "every attempt failed")


async def test_what_is_out_of_time_has_this_attempt_and_no_further() -> None:
    clock = FakeClock()
    now_us = to_microseconds(clock.now())
    late = await courier(FakePoster(FAILED), clock).deliver(webhook(), lease(attempt=2, expires_at_us=now_us))
    assert (late.verdict, late.reason) == (Verdict.DEAD, "not delivered in time")
    good = await courier(FakePoster(), clock).deliver(webhook(), lease(attempt=2, expires_at_us=now_us))
    assert good.verdict is Verdict.DELIVERED
    # A retry that would come after the end comes at the end.
    soon = await courier(FakePoster(FAILED), clock).deliver(webhook(), lease(attempt=2, expires_at_us=now_us + 9))
    assert (soon.verdict, soon.retry_at_us) == (Verdict.RETRY, now_us + 9)


async def test_an_endpoint_that_is_gone_gets_no_more() -> None:
    settlement = await courier(FakePoster(HttpResult(410, "answered with HTTP status 410"))).deliver(webhook(), lease())
    assert (settlement.verdict, settlement.gone) == (Verdict.DEAD, True)


@pytest.mark.parametrize("sealed", ["aesgcm:00000000:AAAA", "unknown:AAAA"])
async def test_a_secret_that_cannot_be_opened_sends_nothing_unsigned(sealed: str) -> None:
    poster = FakePoster()
    settlement = await courier(poster).deliver(webhook(secrets=(SealedSecret(sealed, 0),)), lease())
    assert settlement.verdict is Verdict.RETRY
    assert "secret" in settlement.attempt.result.error
    assert poster.requests == []


async def test_a_previous_secret_that_cannot_be_opened_does_not_keep_the_current_one_from_signing() -> None:
    poster, hook = FakePoster(), webhook()
    lost = SealedSecret("aesgcm:00000000:AAAA", 0, 1 << 60)
    settlement = await courier(poster).deliver(replace(hook, secrets=(*hook.secrets, lost)), lease())
    assert settlement.verdict is Verdict.DELIVERED
    assert len(poster.requests[0].headers["webhook-signature"].split()) == 1


async def test_a_test_is_an_attempt_without_a_delivery() -> None:
    poster = FakePoster(FAILED)
    attempt = await courier(poster).test(webhook())
    assert (attempt.delivery_id, attempt.message_type, attempt.result) == (0, "webhook.test", FAILED)
    assert poster.requests[0].headers["webhook-id"] == attempt.message_id
