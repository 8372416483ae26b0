"""Which addresses may be connected to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_service.webhooks.addresses import AddressPolicy, parse_networks, refused_of

STRICT = AddressPolicy()
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "223.5.5.5",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "9.255.255.255",
]
PUBLIC_V6 = ["2606:4700:4700::1111", "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_V6])
def test_public_addresses_may(address: str) -> None:
    assert STRICT.refusal(address) is None


@pytest.mark.parametrize(
    "text", ["", "example.com", "127.1", "0x7f000001", "1.2.3.4.5", "::1%lo", "fe80::1%eth0", "1.2.3.4 "]
)
def test_what_is_no_plain_address_may_not(text: str) -> None:
    assert STRICT.refusal(text) == "not an address"


@given(st.ip_addresses(v=4))
def test_agrees_with_the_standard_library_on_what_is_private(address: ipaddress.IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert STRICT.refusal(str(address)) is not None


@given(st.ip_addresses(v=6))
def test_of_ipv6_nothing_beyond_global_unicast_may(address: ipaddress.IPv6Address) -> None:
    embedded = address.ipv4_mapped
    if embedded is None and int(address) >> 32 == 0x64FF9B << 64:
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if embedded is not None:
        assert STRICT.refusal(str(address)) == STRICT.refusal(str(embedded))
    elif int(address) >> 125 != 1:
        assert STRICT.refusal(str(address)) is not None


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    want = STRICT.refusal(str(address))
    assert STRICT.refusal(f"::ffff:{address}") == want
    assert STRICT.refusal(f"64:ff9b::{address}") == want


def test_an_allowed_network_opens_itself_and_no_more() -> None:
    policy = AddressPolicy(parse_networks("10.20.0.0/16,fd12::/48"))
    assert policy.refusal("10.20.3.4") is None
    assert policy.refusal("::ffff:10.20.3.4") is None
    assert policy.refusal("fd12::5") is None
    assert policy.refusal("10.21.0.1") == "private"
    assert policy.refusal("fd13::1") is not None


def test_a_metadata_service_has_to_be_named() -> None:
    wide = AddressPolicy(parse_networks("0.0.0.0/0,::/0"))
    for address in ("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254"):
        assert wide.refusal(address) == "a cloud's metadata service"
    assert wide.refusal("169.254.1.1") is None
    assert AddressPolicy(parse_networks("169.254.169.254")).refusal("169.254.169.254") is None


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "ff02::1"]
)
def test_some_are_never_allowed(address: str) -> None:
    assert AddressPolicy(parse_networks("0.0.0.0/0,::/0")).refusal(address) is not None


def test_one_refused_address_spoils_a_name() -> None:
    assert refused_of(STRICT, ["8.8.8.8", "1.1.1.1"]) is None
    assert refused_of(STRICT, ["8.8.8.8", "10.0.0.1"]) == "private"
