"""Partitions among consumers: shared fairly, taken over when a lease ends, and fenced."""

import asyncio

import pytest

from common.errors import FailedPreconditionError
from event_service.subscriptions.domain import HeldPlace, Place, StartPosition
from event_service.subscriptions.ports import ConsumerName, Renewal
from tests.contract.subscriptions.conftest import EARLIEST, LEASE_US, PARTITIONS, Stores
from tests.unit.event_service.builders import TENANT


def numbers(held: object) -> list[int]:
    return [each.partition_id for each in held]  # type: ignore[attr-defined]


async def test_one_consumer_gets_all_and_a_second_one_its_share(stores: Stores) -> None:
    await stores.subscribe()
    first = await stores.renew("a")
    assert numbers(first.held) == [0, 1, 2, 3]
    second = await stores.renew("b")
    assert (numbers(second.held), second.share) == ([], 2)
    first = await stores.renew("a")
    assert (numbers(first.held), first.share) == ([0, 1, 2, 3], 2)
    first = await stores.renew("a", releasing=[2, 3])
    assert numbers(first.held) == [0, 1]
    second = await stores.renew("b")
    assert numbers(second.held) == [2, 3]
    # One that leaves gives all back at once.
    await stores.leases.leave(ConsumerName("id-s", "a"), (), stores.now_us)
    assert numbers((await stores.renew("b")).held) == [0, 1, 2, 3]


async def test_a_dead_consumers_partitions_are_taken_when_its_lease_ends(stores: Stores) -> None:
    await stores.subscribe()
    await stores.renew("dead")
    await stores.renew("b")
    stores.clock.advance(4.9)
    assert numbers((await stores.renew("b")).held) == []
    stores.clock.advance(0.2)
    tenure = await stores.renew("b")
    assert numbers(tenure.held) == [0, 1, 2, 3]
    assert {each.generation for each in tenure.held} == {2}


async def test_what_a_consumer_acknowledges_after_it_lost_a_partition_is_ignored(stores: Stores) -> None:
    await stores.subscribe()
    old = (await stores.renew("old")).held[0]
    stores.clock.advance(6)
    new = (await stores.renew("new")).held[0]
    late = HeldPlace(old.partition_id, old.generation, Place(0, 0))
    assert list(await stores.leases.keep(ConsumerName("id-s", "old"), [late], stores.now_us)) == []
    # Nor with the new generation, which is not its own, nor the owner with an old one.
    guessed = HeldPlace(0, new.generation, Place(0, 0))
    assert list(await stores.leases.keep(ConsumerName("id-s", "old"), [guessed], stores.now_us)) == []
    assert list(await stores.leases.keep(ConsumerName("id-s", "new"), [late], stores.now_us)) == []
    assert list(await stores.leases.keep(ConsumerName("id-s", "new"), [guessed], stores.now_us)) == [0]
    await stores.leases.leave(ConsumerName("id-s", "old"), [late], stores.now_us)
    assert numbers((await stores.renew("new")).held) == [0, 1, 2, 3]


async def test_a_late_consumer_keeps_what_nobody_took(stores: Stores) -> None:
    await stores.subscribe()
    before = await stores.renew("a")
    stores.clock.advance(60)
    assert (await stores.renew("a")).held == before.held


async def test_places_are_kept_over_consumers(stores: Stores) -> None:
    await stores.subscribe()
    held = (await stores.renew("a")).held
    moved = [HeldPlace(each.partition_id, each.generation, Place(7, 2)) for each in held]
    await stores.renew("a", moved[:1])
    await stores.leases.keep(ConsumerName("id-s", "a"), moved[1:2], stores.now_us)
    await stores.leases.leave(ConsumerName("id-s", "a"), moved[2:3], stores.now_us)
    assert await stores.places() == {0: Place(7, 2), 1: Place(7, 2), 2: Place(7, 2), 3: Place()}


async def test_more_consumers_than_partitions(stores: Stores) -> None:
    await stores.subscribe()
    owners = [f"c{number}" for number in range(PARTITIONS + 2)]
    for owner in owners:
        await stores.renew(owner)
        stores.clock.advance(0.001)
    for _ in range(3):
        for owner in owners:
            tenure = await stores.renew(owner)
            await stores.renew(owner, releasing=numbers(tenure.held)[tenure.share :])
    held = [numbers((await stores.renew(owner)).held) for owner in owners]
    assert sorted(number for each in held for number in each) == [0, 1, 2, 3]
    assert max(map(len, held)) == 1


async def test_consumers_that_renew_at_once_never_share_a_partition(stores: Stores) -> None:
    await stores.subscribe()
    for _ in range(5):
        tenures = await asyncio.gather(*(stores.renew(f"c{number}") for number in range(4)))
        held = [number for tenure in tenures for number in numbers(tenure.held)]
        assert len(held) == len(set(held))
        for number, tenure in enumerate(tenures):
            await stores.renew(f"c{number}", releasing=numbers(tenure.held)[tenure.share :])
    assert sorted(held) == [0, 1, 2, 3]


async def test_a_deleted_subscription_has_no_consumers(stores: Stores) -> None:
    await stores.subscribe()
    await stores.renew("a")
    assert await stores.subscriptions.delete(TENANT, "s", stores.now_us)
    assert await stores.leases.renew(ConsumerName("id-s", "a"), Renewal((), (), stores.now_us, LEASE_US)) is None
    await stores.leases.leave(ConsumerName("id-s", "a"), (), stores.now_us)


async def test_a_subscription_in_use_is_not_moved(stores: Stores) -> None:
    await stores.subscribe(start=StartPosition())
    held = (await stores.renew("a")).held
    with pytest.raises(FailedPreconditionError):
        await stores.subscriptions.seek(TENANT, "s", EARLIEST, stores.now_us)
    stores.clock.advance(6)
    assert await stores.subscriptions.seek(TENANT, "s", EARLIEST, stores.now_us)
    # What the consumer still acknowledges is from before.
    assert list(await stores.leases.keep(ConsumerName("id-s", "a"), held, stores.now_us)) == []
