"""The rules of sharing, and what the streams of a process have in common."""

import pytest

from common.errors import InvalidArgumentError, UnavailableError
from event_service.subscriptions.consumer import Outgoing
from event_service.subscriptions.convert import responses
from event_service.subscriptions.domain import Place, StartPosition, Subscription, SubscriptionFilter, fair_share
from event_service.subscriptions.hub import Hub
from event_service.subscriptions.service import SubscriptionService
from tests.support.clock import FakeClock
from tests.unit.event_service.subscriptions.conftest import Bench, FakeTail


@pytest.mark.parametrize("partitions", [1, 4, 16, 17])
@pytest.mark.parametrize("consumers", [1, 2, 3, 16, 40])
def test_shares_differ_by_one_at_most_and_leave_nothing_over(partitions: int, consumers: int) -> None:
    shares = [fair_share(partitions, consumers, rank) for rank in range(consumers)]
    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1


class Follower:
    def __init__(self) -> None:
        self.woken = 0
        self.drained = False

    def wake(self) -> None:
        self.woken += 1

    def drain(self) -> None:
        self.drained = True


async def test_streams_are_woken_when_the_log_moved_and_only_then(bench: Bench) -> None:
    tail, follower = FakeTail({0: 1}), Follower()
    hub = Hub(tail, None, FakeClock(), 0.2)  # type: ignore[arg-type]
    with hub.following(follower):
        await hub.look()
        await hub.look()
        assert (follower.woken, hub.head(0), hub.head(9)) == (1, Place(1), Place())
        tail.lengths = {0: 2}
        await hub.look()
        assert follower.woken == 2


async def test_a_stopping_service_takes_no_new_streams() -> None:
    hub = Hub(FakeTail(), None, FakeClock(), 0.2)  # type: ignore[arg-type]
    await hub.drain()
    with pytest.raises(UnavailableError), hub.following(Follower()):
        pass


@pytest.mark.parametrize(
    ("field", "changes", "region"),
    [
        ("subscription.name", {"name": "a b"}, ""),
        ("subscription.name", {"name": "x" * 65}, ""),
        ("subscription.tenant_id", {"tenant_id": ""}, ""),
        ("subscription.remove_unused_after", {"remove_unused_us": 1}, ""),
        ("subscription.filter.numbers", {"filter": SubscriptionFilter(numbers=frozenset({"abc"}))}, ""),
        ("subscription.filter.default_region", {}, "XX"),
        ("subscription.filter.codes", {"filter": SubscriptionFilter(codes=frozenset(map(str, range(101))))}, ""),
    ],
)
async def test_a_wrong_field_is_named(field: str, changes: dict[str, object], region: str) -> None:
    service = SubscriptionService(None, FakeClock(), 10)  # type: ignore[arg-type]
    values = {
        "subscription_id": "",
        "tenant_id": "100001",
        "name": "s",
        "filter": SubscriptionFilter(),
        "created_at_us": 0,
        **changes,
    }
    with pytest.raises(InvalidArgumentError) as wrong:
        await service.create(Subscription(**values), region, StartPosition())  # type: ignore[arg-type]
    assert wrong.value.field == field


def test_no_partitions_are_told_apart_from_no_change() -> None:
    (nothing,) = responses(Outgoing())
    (none_left,) = responses(Outgoing(assigned=[]))
    assert not nothing.HasField("assigned")
    assert none_left.HasField("assigned")
