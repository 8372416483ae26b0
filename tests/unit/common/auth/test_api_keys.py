"""Keys: what is printed once, what is kept, and that neither gives the other away."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.auth.api_keys import ApiKey, Pepper, generate_api_key, is_key_hash, is_key_id, parse_api_key, read_pepper
from common.errors import InvalidArgumentError, UnauthenticatedError

PEPPER = Pepper(b"p" * 32)


def test_a_key_is_read_back_as_it_was_made() -> None:
    for _ in range(200):
        key = generate_api_key()
        assert parse_api_key(key.text) == key
        assert is_key_id(key.key_id)
        assert len(key.secret) == 32


def test_keys_differ() -> None:
    keys = [generate_api_key() for _ in range(1000)]
    assert len({key.key_id for key in keys}) == len({key.secret for key in keys}) == 1000


@pytest.mark.parametrize(
    "text", ["", "axb_", "axb_abcdefghij_", "axb_abcdefghij_" + "A" * 42, "axb_abcdefghij_" + "A" * 44, "x" * 100_000]
)
def test_what_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UnauthenticatedError) as refusal:
        parse_api_key(text)
    assert refusal.value.message == "this is not an API key"


@given(st.text(alphabet=string.printable, max_size=120))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        key = parse_api_key(text)
    except UnauthenticatedError:
        return
    assert len(key.secret) == 32


def test_a_hash_fits_its_key_under_its_pepper_only() -> None:
    key = generate_api_key()
    kept = PEPPER.hash(key)
    assert is_key_hash(kept)
    assert PEPPER.matches(key, kept)
    assert not PEPPER.matches(ApiKey(key.key_id, generate_api_key().secret), kept)
    assert not PEPPER.matches(ApiKey(generate_api_key().key_id, key.secret), kept), "a hash moved to another entry"
    assert not Pepper(b"q" * 32).matches(key, kept)


def test_secrets_are_not_in_what_logs_would_show() -> None:
    key = generate_api_key()
    assert key.text.split("_", 2)[2] not in f"{key!r} {key}"
    assert "ppp" not in repr(PEPPER)


def test_a_pepper_needs_entropy(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"  short  \n")
    with pytest.raises(InvalidArgumentError):
        read_pepper(tmp_path / "short")
    (tmp_path / "long").write_bytes(b"p" * 32 + b"\n")
    key = generate_api_key()
    assert read_pepper(tmp_path / "long").hash(key) == PEPPER.hash(key)


@pytest.mark.parametrize("text", ["", "hmac-sha256:", "hmac-sha256:AAAA", "sha256:" + "A" * 44, "hmac-sha256:***"])
def test_what_is_no_hash(text: str) -> None:
    assert not is_key_hash(text)
