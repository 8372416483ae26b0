"""Whose address a request comes from when proxies stand in between."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from common.errors import InvalidArgumentError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# More proxies in a row than anybody has.
MAX_HOPS = 32
_CACHED_PATHS = 4096


def parse_network(text: str, field: str) -> Network:
    """`203.0.113.0/24`, or one address. Raises InvalidArgumentError naming `field`."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise InvalidArgumentError(field, f"{text!r} is no address and no network such as 203.0.113.0/24") from error


def parse_address(text: str) -> Address | None:
    """An address as proxies write it, with or without a port or brackets; None when it is none.

    An IPv4 address in IPv6 clothes is that IPv4 address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


class TrustedProxies:
    """The proxies whose word on where a request came from is taken."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)
        # The same platform comes over the same proxies all the time.
        self._walk = lru_cache(maxsize=_CACHED_PATHS)(self._walk_uncached)

    def sender(self, peer: str, forwarded_for: Sequence[str]) -> Address | None:
        """Who sent a request that came from `peer` with these X-Forwarded-For headers, in their order.

        Each proxy appends the address that it was reached from, so the list is read from its end, and only as long as
        the one who wrote an entry is trusted; whatever stands further left can have been written by anybody. None when
        a trusted proxy's entry can't be read.
        """
        return self._walk(peer, ",".join(forwarded_for) if forwarded_for and self._networks else "")

    def _walk_uncached(self, peer: str, forwarded_for: str) -> Address | None:
        sender = parse_address(peer)
        if not forwarded_for:
            return sender
        for hops, entry in enumerate(reversed(forwarded_for.split(","))):
            if sender is None or not self._trusts(sender):
                return sender
            if hops >= MAX_HOPS:
                return None
            sender = parse_address(entry)
        return sender

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)
