"""Settings that are wrong stop the service when it starts, and are named."""

import pytest
from pydantic import ValidationError

from event_service.settings import EventServiceSettings


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> EventServiceSettings:
    for name, value in values.items():
        monkeypatch.setenv(f"AXBRIDGE_EVENTS_WEBHOOKS_{name.upper()}", value)
    return EventServiceSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_ports", "https"),
        ("allowed_networks", "10.0.0.1/8"),
        ("retry_delays_seconds", "5,soon"),
        ("max_in_flight", "0"),
        ("circuit_open_seconds", "0"),
    ],
)
def test_a_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(monkeypatch, **{name: value})
    (error,) = refused.value.errors()
    assert error["loc"] == (f"webhooks_{name}",) or error["loc"] == (f"AXBRIDGE_EVENTS_WEBHOOKS_{name}",)


def test_what_they_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings(
        monkeypatch,
        allow_http="true",
        allowed_ports="443,8080-8090",
        allowed_networks="10.20.0.0/16",
        circuit_failures="3",
        circuit_open_seconds="2",
    )
    assert made.webhooks_urls.checked("http://10.20.1.1:8085/").port == 8085
    assert (made.webhooks_circuit.failures, made.webhooks_circuit.max_open_seconds) == (3, 40)


def test_nothing_is_allowed_that_nobody_asked_for() -> None:
    urls = EventServiceSettings().webhooks_urls
    assert (urls.allow_http, str(urls.ports), urls.addresses.allowed) == (False, "443", ())
