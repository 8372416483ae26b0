"""The credentials file: what it says, and that nothing in it is read in passing."""

from datetime import UTC, datetime, timedelta

import pytest

from common.auth.api_keys import ApiKey, Pepper, generate_api_key
from common.auth.credentials import parse_credentials
from common.auth.grants import Scope
from common.errors import InvalidArgumentError, UnauthenticatedError

PEPPER = Pepper(b"p" * 32)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def entry(key: ApiKey, **changes: str) -> str:
    fields = {
        "id": f'"{key.key_id}"',
        "caller": '"billing"',
        "hash": f'"{PEPPER.hash(key)}"',
        "tenants": '["100001"]',
        "scopes": '["read", "write"]',
        **changes,
    }
    return "[[key]]\n" + "\n".join(f"{name} = {value}" for name, value in fields.items() if value) + "\n"


def test_a_key_finds_its_grant() -> None:
    key = generate_api_key()
    grant = parse_credentials(entry(key), PEPPER).by_key(key.text, NOW)
    assert grant.caller == "billing"
    assert grant.scopes == {Scope.READ, Scope.WRITE}
    assert grant.covers("100001")
    assert not grant.covers("100002")
    assert not grant.covers("")
    assert not grant.covers(" 100001")


def test_a_key_expires_to_the_moment() -> None:
    key = generate_api_key()
    credentials = parse_credentials(entry(key, expires_at="2026-03-01T08:00:00+08:00"), PEPPER)
    assert credentials.by_key(key.text, NOW - timedelta(microseconds=1))
    with pytest.raises(UnauthenticatedError) as refusal:
        credentials.by_key(key.text, NOW)
    assert refusal.value.reason == "EXPIRED_CREDENTIAL"


def test_an_unknown_key_a_wrong_secret_and_no_keys_look_alike() -> None:
    known, other = generate_api_key(), generate_api_key()
    credentials = parse_credentials(entry(known), PEPPER)
    messages = set()
    for presented in (other, ApiKey(known.key_id, other.secret)):
        with pytest.raises(UnauthenticatedError) as refusal:
            credentials.by_key(presented.text, NOW)
        messages.add((refusal.value.message, refusal.value.reason))
    with pytest.raises(UnauthenticatedError) as refusal:
        parse_credentials("", None).by_key(known.text, NOW)
    messages.add((refusal.value.message, refusal.value.reason))
    assert len(messages) == 1


def test_certificates_are_found_by_their_first_known_name() -> None:
    credentials = parse_credentials(
        """
        [[certificate]]
        name = "dns:gateway.axbridge.svc"
        caller = "gateway"
        tenants = ["*"]
        scopes = ["gateway"]
        [[certificate]]
        name = "uri:spiffe://x/billing"
        caller = "billing"
        tenants = ["100001"]
        scopes = ["read"]
        """,
        None,
    )
    assert credentials.has_certificates
    assert credentials.by_certificate(("cn:x", "dns:gateway.axbridge.svc"), NOW).caller == "gateway"
    assert credentials.by_certificate(("dns:gateway.axbridge.svc",), NOW).covers("whoever")
    for names in ((), ("cn:gateway.axbridge.svc",), ("uri:gateway.axbridge.svc",), ("dns:GATEWAY.axbridge.svc",)):
        with pytest.raises(UnauthenticatedError):
            credentials.by_certificate(names, NOW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": '"short"'}, "key[0].id"),
        ({"caller": ""}, "key[0].caller"),
        ({"caller": '" "'}, "key[0].caller"),
        ({"hash": '"plain"'}, "key[0].hash"),
        ({"tenants": "[]"}, "key[0].tenants"),
        ({"tenants": '"*"'}, "key[0].tenants"),
        ({"tenants": '["*", "100001"]'}, "key[0].tenants"),
        ({"tenants": '[" 100001"]'}, "key[0].tenants"),
        ({"tenants": '[""]'}, "key[0].tenants"),
        ({"scopes": '["root"]'}, "key[0].scopes"),
        ({"scopes": "[]"}, "key[0].scopes"),
        ({"scopes": '["gateway"]'}, "key[0].scopes"),
        ({"expires_at": '"2026-01-01"'}, "key[0].expires_at"),
        ({"expires_at": "2026-01-01T00:00:00"}, "key[0].expires_at"),
        ({"expires": "2026-01-01T00:00:00Z"}, "key[0].expires"),
    ],
)
def test_an_entry_that_is_not_understood_is_refused_by_name(changes: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        parse_credentials(entry(generate_api_key(), **changes), PEPPER)
    assert refusal.value.field == field


def test_a_file_as_a_whole() -> None:
    key = generate_api_key()
    for text, pepper in [
        ("not toml", PEPPER),
        ("[[keys]]\nid = 1\n", PEPPER),
        ("key = 1", PEPPER),
        (entry(key) + entry(key), PEPPER),
        (entry(key), None),
        ('[[certificate]]\nname = "gateway"\ncaller = "g"\ntenants = ["*"]\nscopes = ["read"]\n', None),
    ]:
        with pytest.raises(InvalidArgumentError):
            parse_credentials(text, pepper)
