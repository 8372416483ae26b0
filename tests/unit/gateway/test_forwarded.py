"""X-Forwarded-For: what a client writes into it never decides who he is."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.forwarded import MAX_HOPS, TrustedProxies, parse_address, parse_network

PROXIES = [parse_network("10.0.0.0/8", "x"), parse_network("fd00::/8", "x")]
TRUSTED = TrustedProxies(PROXIES)

anything = st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), max_size=60)
proxy = st.one_of(
    st.integers(0x0A000000, 0x0AFFFFFF).map(lambda number: str(ipaddress.IPv4Address(number))),
    st.integers(0, 2**120 - 1).map(lambda number: str(ipaddress.IPv6Address((0xFD << 120) | number))),
)
stranger = (
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
    .filter(lambda address: parse_address(str(address)) == address)
    .filter(lambda address: not any(address in network for network in PROXIES))
    .map(str)
)


@given(client=stranger, junk=st.lists(anything, max_size=5), hops=st.lists(proxy, min_size=1, max_size=6))
@example(client="203.0.113.9", junk=["10.0.0.1", "127.0.0.1, 10.9.9.9"], hops=["10.0.0.1"])
def test_behind_proxies_the_client_is_who_the_first_trusted_one_saw(
    client: str, junk: list[str], hops: list[str]
) -> None:
    # The client writes what it likes; then each proxy appends where its request came from.
    written = [*junk, client, *hops[:-1]]
    sender = TRUSTED.sender(hops[-1], [", ".join(written)])
    assert str(sender) == client
    # However the entries are spread over several headers.
    assert TRUSTED.sender(hops[-1], written) == sender


@given(client=stranger, junk=st.lists(anything, max_size=5))
def test_a_client_that_comes_directly_is_who_he_is(client: str, junk: list[str]) -> None:
    assert str(TRUSTED.sender(client, junk)) == client


@given(peer=st.one_of(proxy, stranger), junk=st.lists(anything, max_size=5))
def test_without_trusted_proxies_nothing_is_believed(peer: str, junk: list[str]) -> None:
    assert str(TrustedProxies().sender(peer, junk)) == str(parse_address(peer))


@given(peer=proxy, junk=anything)
def test_it_never_raises(peer: str, junk: str) -> None:
    sender = TRUSTED.sender(peer, [junk])
    assert sender is None or isinstance(sender, ipaddress.IPv4Address | ipaddress.IPv6Address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("203.0.113.9:1234", "203.0.113.9"),
        ("[2001:db8::1]:1234", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "None"),
        ("", "None"),
        ("203.0.113.009", "None"),
        ("203.0.113", "None"),
        ("0xcb007109", "None"),
    ],
)
def test_addresses_as_proxies_write_them(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


def test_what_a_trusted_proxy_wrote_and_nobody_can_read_is_nobody() -> None:
    assert TRUSTED.sender("10.0.0.1", ["203.0.113.9, unknown"]) is None
    assert TRUSTED.sender("10.0.0.1", ["203.0.113.9, "]) is None


def test_a_list_of_proxies_only_ends_with_its_first_and_a_longer_one_with_nobody() -> None:
    assert str(TRUSTED.sender("10.0.0.1", ["10.0.0.3, 10.0.0.2"])) == "10.0.0.3"
    assert TRUSTED.sender("10.0.0.1", [", ".join(["10.0.0.2"] * (MAX_HOPS + 1))]) is None
