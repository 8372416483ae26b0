"""Signing secrets at rest."""

import base64
from pathlib import Path

import pytest

from common.errors import FailedPreconditionError
from event_service.webhooks.domain import SealedSecret
from event_service.webhooks.sealing import AesGcmSealer, PlainSealer, open_sealer

KEY, OTHER_KEY, SECRET = b"k" * 32, b"o" * 32, b"s" * 32


def test_what_is_sealed_opens_for_its_webhook_only() -> None:
    sealer = AesGcmSealer([KEY])
    sealed = sealer.seal("wh_1", SECRET)
    assert sealer.open("wh_1", sealed) == SECRET
    assert base64.b64encode(SECRET).decode() not in sealed
    assert sealer.seal("wh_1", SECRET) != sealed
    with pytest.raises(FailedPreconditionError):
        sealer.open("wh_2", sealed)
    with pytest.raises(FailedPreconditionError):
        sealer.open("wh_1", sealed[:-8] + "AAAAAAA=")


def test_keys_are_changed_by_putting_a_new_one_first() -> None:
    old = AesGcmSealer([OTHER_KEY]).seal("wh_1", SECRET)
    both = AesGcmSealer([KEY, OTHER_KEY])
    assert both.open("wh_1", old) == SECRET
    fresh = both.seal("wh_1", SECRET)
    assert AesGcmSealer([KEY]).open("wh_1", fresh) == SECRET
    with pytest.raises(FailedPreconditionError) as refused:
        AesGcmSealer([KEY]).open("wh_1", old)
    assert refused.value.reason == "SECRET_NOT_READABLE"


def test_plain_ones_still_open_after_a_key_was_configured_but_not_the_other_way_round() -> None:
    plain = PlainSealer().seal("wh_1", SECRET)
    assert PlainSealer().open("wh_1", plain) == SECRET
    assert AesGcmSealer([KEY]).open("wh_1", plain) == SECRET
    with pytest.raises(FailedPreconditionError):
        PlainSealer().open("wh_1", AesGcmSealer([KEY]).seal("wh_1", SECRET))


def test_the_key_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(base64.b64encode(KEY) + b"\n" + base64.b64encode(OTHER_KEY) + b"\n")
    assert open_sealer(file).open("wh_1", AesGcmSealer([OTHER_KEY]).seal("wh_1", SECRET)) == SECRET
    assert isinstance(open_sealer(None), PlainSealer)


@pytest.mark.parametrize("content", [b"", b"not base64!", base64.b64encode(b"short"), b"\xff\xfe", b"c2VjcmV0IQ"])
def test_a_wrong_key_file_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(FailedPreconditionError) as refused:
        open_sealer(file)
    assert str(file) in refused.value.message
    assert not content or content.decode("latin-1") not in refused.value.message


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FailedPreconditionError):
        open_sealer(tmp_path / "nothing")


def test_secrets_show_in_no_representation() -> None:
    assert "plain:" not in repr(SealedSecret("plain:AAAA", 1))
