"""What is reachable from other machines needs a guard."""

import pytest

from common.auth.exposure import check_exposure, is_loopback
from common.errors import InvalidArgumentError


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "::1:1"])
def test_this_machine_only(address: str) -> None:
    assert is_loopback(address)
    check_exposure(address, guarded=False, insecure=False, how_to_guard="", how_to_insist="")


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", ":1", "10.0.0.1:1", "localhost.example:1", "*:1", "1"])
def test_other_machines_too(address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(InvalidArgumentError, match="set X"):
        check_exposure(address, guarded=False, insecure=False, how_to_guard="set X", how_to_insist="Y")
    check_exposure(address, guarded=True, insecure=False, how_to_guard="", how_to_insist="")
    check_exposure(address, guarded=False, insecure=True, how_to_guard="", how_to_insist="")
