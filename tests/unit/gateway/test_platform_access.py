"""The access file and what follows from it."""

import ipaddress

import pytest

from common.errors import InvalidArgumentError
from gateway.platform_access import PlatformAccess, Sender, generate_token, parse_access, token_digest, token_hash

INSIDE, OUTSIDE = ipaddress.ip_address("203.0.113.9"), ipaddress.ip_address("198.51.100.1")
# Not made at random: tests are named by them, and every process of a test run must find the same ones.
TOKEN, OTHER_TOKEN = "A" * 43, "B" * 43


def sender(token: str | None = None, address: str | None = None) -> Sender:
    return Sender(
        None if address is None else ipaddress.ip_address(address), None if token is None else token_digest(token)
    )


ACCESS = f"""
[[tenant]]
id = "network"
networks = ["203.0.113.0/24", "2001:db8::/32"]
[[tenant]]
id = "token"
tokens = ["{token_hash(TOKEN)}", "{token_hash("retired")}"]
[[tenant]]
id = "both"
networks = ["203.0.113.0/24"]
tokens = ["{token_hash(TOKEN)}"]
queries_per_second = 2
[[tenant]]
id = "other"
tokens = ["{token_hash(OTHER_TOKEN)}"]
"""


@pytest.fixture
def access() -> PlatformAccess:
    return parse_access(ACCESS)


@pytest.mark.parametrize(
    ("tenant_id", "token", "address", "admitted"),
    [
        ("network", None, "203.0.113.9", True),
        ("network", OTHER_TOKEN, "203.0.113.9", True),
        ("network", None, "2001:db8::1", True),
        ("network", None, "198.51.100.1", False),
        ("network", TOKEN, "198.51.100.1", False),
        ("network", None, None, False),
        ("token", TOKEN, None, True),
        ("token", "retired", "198.51.100.1", True),
        ("token", None, "203.0.113.9", False),
        ("token", OTHER_TOKEN, "203.0.113.9", False),
        ("token", "", "203.0.113.9", False),
        ("token", TOKEN + "x", "203.0.113.9", False),
        ("both", TOKEN, "203.0.113.9", True),
        ("both", TOKEN, "198.51.100.1", False),
        ("both", OTHER_TOKEN, "203.0.113.9", False),
        ("both", None, "203.0.113.9", False),
        ("other", TOKEN, "203.0.113.9", False),
        ("other", OTHER_TOKEN, None, True),
        ("unknown", TOKEN, "203.0.113.9", False),
        ("*", TOKEN, "203.0.113.9", False),
        ("", TOKEN, "203.0.113.9", False),
    ],
)
def test_who_may_speak_for_whom(
    access: PlatformAccess, tenant_id: str, token: str | None, address: str | None, admitted: bool
) -> None:
    # Twice, since addresses are remembered.
    assert access.admits(sender(token, address), tenant_id) is admitted
    assert access.admits(sender(token, address), tenant_id) is admitted


def test_an_entry_for_all_others_does_not_reach_those_with_their_own(access: PlatformAccess) -> None:
    widened = parse_access(ACCESS + '[[tenant]]\nid = "*"\nnetworks = ["198.51.100.0/24"]\n')
    outside = sender(None, "198.51.100.1")
    assert widened.admits(outside, "somebody new")
    for tenant_id in ("network", "token", "both", "other", "*"):
        assert not widened.admits(outside, tenant_id)


def test_somebodys_platform_is_recognised(access: PlatformAccess) -> None:
    assert access.recognises(sender(OTHER_TOKEN, "198.51.100.1"))
    assert access.recognises(sender(None, "203.0.113.200"))
    assert not access.recognises(sender(generate_token(), "198.51.100.1"))
    assert not access.recognises(sender())


def test_a_tenants_own_rates(access: PlatformAccess) -> None:
    both, network = access.guard("both"), access.guard("network")
    assert both is not None and both.queries is not None and network is not None
    assert (both.queries.per_second, both.events, network.queries) == (2.0, None, None)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("nonsense", "access file"),
        ('[[tenants]]\nid = "1"', "tenants"),
        ("tenant = 1", "tenant"),
        ("[[tenant]]\nnetworks = []", "tenant[0].id"),
        ('[[tenant]]\nid = " 1"\nnetworks = ["10.0.0.0/8"]', "tenant[0].id"),
        ('[[tenant]]\nid = "1"', "tenant[0]"),
        ('[[tenant]]\nid = "1"\nnetworks = []\ntokens = []', "tenant[0]"),
        ('[[tenant]]\nid = "1"\nnetworks = "10.0.0.0/8"', "tenant[0].networks"),
        ('[[tenant]]\nid = "1"\nnetworks = ["10.0.0.1/8"]', "tenant[0].networks"),
        ('[[tenant]]\nid = "1"\nnetworks = ["everywhere"]', "tenant[0].networks"),
        ('[[tenant]]\nid = "1"\ntokens = ["plain-token"]', "tenant[0].tokens"),
        ('[[tenant]]\nid = "1"\ntokens = ["sha256:AAAA"]', "tenant[0].tokens"),
        ('[[tenant]]\nid = "1"\nnetwork = ["10.0.0.0/8"]', "tenant[0].network"),
        ('[[tenant]]\nid = "1"\nnetworks = ["10.0.0.0/8"]\nqueries_per_second = 0', "tenant[0].queries_per_second"),
        ('[[tenant]]\nid = "1"\nnetworks = ["10.0.0.0/8"]\nevents_per_second = true', "tenant[0].events_per_second"),
        (2 * '[[tenant]]\nid = "1"\nnetworks = ["10.0.0.0/8"]\n', "tenant[1].id"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        parse_access(text)
    assert refusal.value.field == field
    assert "plain-token" not in refusal.value.message
