"""Signatures, verified by the specification's own library and by hand."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Receiver
from standardwebhooks import WebhookVerificationError

from event_service.webhooks.signing import new_secret, secret_text, sign, signature_headers


def now() -> int:
    # The library compares with the machine's clock.
    return int(datetime.now(UTC).timestamp())


def test_the_specifications_example() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(body=st.text().map(str.encode))
def test_the_receiver_accepts_what_was_signed_and_nothing_else(body: bytes) -> None:
    key = new_secret()
    headers = signature_headers([key], "evt_1", now(), body)
    receiver = Receiver(secret_text(key))
    receiver.verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(body + b"x", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(body, {**headers, "webhook-id": "evt_2"}, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(body, {**headers, "webhook-timestamp": str(now() - 1000)}, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Receiver(secret_text(new_secret())).verify(body, headers, json_parse=False)


def test_during_rotation_either_secret_verifies() -> None:
    new, old, foreign = new_secret(), new_secret(), new_secret()
    headers = signature_headers([new, old], "evt_1", now(), b"{}")
    assert len(headers["webhook-signature"].split(" ")) == 2
    for key in (new, old):
        Receiver(secret_text(key)).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Receiver(secret_text(foreign)).verify(b"{}", headers)


def test_secrets_are_long_and_never_the_same() -> None:
    keys = {new_secret() for _ in range(100)}
    assert len(keys) == 100
    assert all(24 <= len(key) <= 64 for key in keys)
    assert all(secret_text(key).startswith("whsec_") for key in keys)
