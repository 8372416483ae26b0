"""Receivers take exactly what the specification's own library takes."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Library
from standardwebhooks import WebhookVerificationError as LibraryError

from axbridge_client.webhooks import WebhookVerificationError, verify
from event_service.webhooks.signing import new_secret, secret_text, signature_headers

KEY, OTHER_KEY = new_secret(), new_secret()
SECRET, OTHER_SECRET = secret_text(KEY), secret_text(OTHER_KEY)
BODY = '{"type":"call.event","data":{"reason":"无应答"}}'.encode()
NOW = 1_772_323_200


def library_headers(body: bytes, moment: datetime) -> dict[str, str]:
    return {
        "Webhook-Id": "evt_1",
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": Library(SECRET).sign("evt_1", moment, body.decode()),
    }


@given(content=st.dictionaries(st.text(), st.text(st.characters(codec="utf-8"))))
def test_what_the_library_signs_is_taken(content: dict[str, str]) -> None:
    body = json.dumps(content, ensure_ascii=True).encode()
    moment = datetime.now(UTC)
    assert verify(SECRET, library_headers(body, moment), body) == content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body": BODY + b" "}, "no signature is right"),
        ({"webhook-id": "evt_2"}, "no signature is right"),
        ({"webhook-timestamp": str(NOW + 1)}, "no signature is right"),
        ({"webhook-signature": "v1,"}, "no signature is right"),
        ({"webhook-signature": ""}, "no signature is right"),
        ({"webhook-signature": "v1,\u00e9"}, "no signature is right"),
        ({"webhook-timestamp": "soon"}, "the timestamp is no number"),
        ({"webhook-timestamp": str(NOW - 301)}, "the message is too old"),
        ({"webhook-timestamp": str(NOW + 301)}, "the message is from the future"),
    ],
)
def test_what_was_changed_is_refused_here_and_by_the_library(change: dict[str, object], said: str) -> None:
    headers = {**signature_headers([KEY], "evt_1", NOW, BODY), **change}
    body = headers.pop("body", BODY)
    assert isinstance(body, bytes)
    with pytest.raises(WebhookVerificationError, match=said):
        verify(SECRET, headers, body, now_seconds=NOW)  # type: ignore[arg-type]
    with pytest.raises((LibraryError, UnicodeEncodeError, ValueError, TypeError)):
        Library(SECRET).verify(body, headers)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_message_without_its_headers_is_refused(missing: str) -> None:
    headers = signature_headers([KEY], "evt_1", NOW, BODY)
    del headers[missing]
    with pytest.raises(WebhookVerificationError, match=missing):
        verify(SECRET, headers, BODY, now_seconds=NOW)


def test_during_rotation_one_right_signature_is_enough_and_either_secret_of_ours() -> None:
    both = signature_headers([OTHER_KEY, KEY], "evt_1", NOW, BODY)
    assert verify(SECRET, both, BODY, now_seconds=NOW) == json.loads(BODY)
    one = signature_headers([KEY], "evt_1", NOW, BODY)
    assert verify([OTHER_SECRET, SECRET], one, BODY, now_seconds=NOW) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        verify(OTHER_SECRET, one, BODY, now_seconds=NOW)


@pytest.mark.parametrize("body", [b"[1]", b"nonsense", b"\xff"])
def test_what_is_signed_and_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookVerificationError, match="the body is no JSON"):
        verify(SECRET, signature_headers([KEY], "evt_1", NOW, body), body, now_seconds=NOW)


def test_a_secret_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        verify("whsec_!", signature_headers([KEY], "evt_1", NOW, BODY), BODY, now_seconds=NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-timestamp", "9" * 400),
        ("webhook-timestamp", "-" + "9" * 4000),
        ("webhook-signature", "v1,\udcff"),
        ("webhook-id", "\udcff"),
    ],
)
def test_whatever_a_stranger_sends_is_refused_by_the_one_error_that_receivers_wait_for(name: str, value: str) -> None:
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1700000000", "webhook-signature": "v1,AAAA"} | {name: value}
    with pytest.raises(WebhookVerificationError):
        verify("whsec_AAAA", headers, b"{}", now_seconds=1700000000.0)
