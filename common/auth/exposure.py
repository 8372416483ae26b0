"""What may be reached from where: nothing unguarded listens beyond this machine unless somebody said so."""

import ipaddress

from common.errors import InvalidArgumentError


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT can be reached from this machine only. A name other than localhost is taken for reachable."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(listen: str, *, guarded: bool, insecure: bool, how_to_guard: str, how_to_insist: str) -> None:
    """Raises InvalidArgumentError when an unguarded service would listen beyond loopback."""
    if guarded or insecure or is_loopback(listen):
        return
    raise InvalidArgumentError(
        "listen",
        f"{listen} can be reached from other machines and nothing says who may ask: {how_to_guard}, "
        f"listen on 127.0.0.1, or insist with {how_to_insist}",
    )
