"""Which addresses may be connected to: public ones, and those that the operator allows.

An endpoint's URL is chosen by whoever may write webhooks, and the request is made from inside the operator's network:
without this check it could reach anything there. What is refused follows the IANA special-purpose registries (RFC 6890
and its successors) and the metadata services of the clouds.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from common.errors import InvalidArgumentError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_IPV4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
# Of IPv6 only 2000::/3 is handed out for public use; these are the exceptions in it.
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_SPECIAL_IPV6 = {
    "2001::/23": "protocol assignments, Teredo",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
}
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
# What gives an enterprise's machines their credentials. An allowed network does not cover these; naming one does.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, Huawei, Oracle, OpenStack
        "169.254.169.253",  # AWS's resolver
        "169.254.170.2",  # AWS containers
        "169.254.170.23",  # AWS EKS
        "169.254.0.23",  # Tencent
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS
        "fd20:ce::254",  # Google
    )
)
# No service is ever there.
_NEVER = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("255.255.255.255/32"),
    IPv6Network("::/128"),
    IPv6Network("ff00::/8"),
)
_REFUSED_IPV4 = tuple((IPv4Network(text), name) for text, name in _SPECIAL_IPV4.items())
_REFUSED_IPV6 = tuple((IPv6Network(text), name) for text, name in _SPECIAL_IPV6.items())


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses, and those in `allowed` networks. A metadata service has to be allowed by its very address."""

    allowed: tuple[Network, ...] = ()

    def refusal(self, text: str) -> str | None:
        """Why this address may not be connected to, None when it may. Text that is no plain address may not."""
        try:
            # A zone (`fe80::1%eth0`) names an interface of this machine.
            address = ipaddress.ip_address(text) if "%" not in text else None
        except ValueError:
            address = None
        if address is None:
            return "not an address"
        embedded = _embedded_ipv4(address)
        if embedded is not None:
            # It leads to the IPv4 address, so that is the one to judge.
            return self._refusal(embedded)
        return self._refusal(address)

    def _refusal(self, address: Address) -> str | None:
        if any(_holds(network, address) for network in _NEVER):
            return "unspecified, multicast or broadcast"
        if address in _METADATA:
            named = any(network.num_addresses == 1 and _holds(network, address) for network in self.allowed)
            return None if named else "a cloud's metadata service"
        if any(_holds(network, address) for network in self.allowed):
            return None
        return _special_use(address)


def _special_use(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((name for network, name in _REFUSED_IPV4 if address in network), None)
    if address not in _PUBLIC_IPV6:
        return "not a public IPv6 address"
    return next((name for network, name in _REFUSED_IPV6 if address in network), None)


def _embedded_ipv4(address: Address) -> IPv4Address | None:
    """The IPv4 address that packets to this IPv6 address end at, None for any other."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks from text such as `10.20.0.0/16, fd12::/48`; empty: none. Raises InvalidArgumentError."""
    networks: list[Network] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(part))
        except ValueError as error:
            message = f"{part!r} is no network such as 10.20.0.0/16 (host bits have to be 0)"
            raise InvalidArgumentError("allowed_networks", message) from error
    return tuple(networks)


def refused_of(policy: AddressPolicy, addresses: Sequence[str]) -> str | None:
    """Why a name with these addresses may not be connected to: one refused address spoils the name."""
    return next((why for why in map(policy.refusal, addresses) if why is not None), None)
