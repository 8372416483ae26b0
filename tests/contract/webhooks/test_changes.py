"""The changes of finished calls' records: none is missed, whatever made them."""

import asyncio

from event_service.domain import CallState, LoggedDecision
from event_service.ports import CallChange
from tests.contract.webhooks.conftest import PARTITIONS, TENANT, Stores, event

US = 1_700_000_000_000_000


async def all_changes(stores: Stores) -> list[CallChange]:
    return [c for partition in range(PARTITIONS) for c in await stores.changes.read_changes(partition, 0, 1000)]


def decision(session_id: str, result: str = "0000") -> LoggedDecision:
    return LoggedDecision(
        tenant_id=TENANT,
        session_id=session_id,
        result=result,
        received_at_us=US - 1,
        calling_number="13800001111",
        access_number="02566000001",
        called_numbers=("13900001111",),
    )


async def test_a_call_shows_when_it_is_over_and_not_before(stores: Stores) -> None:
    await stores.append(event("s1", "15"), event("s1", "31", at_us=US + 1), event("s1", "40", at_us=US + 2))
    assert await all_changes(stores) == []
    await stores.append(event("s1", "22", at_us=US + 3))
    (change,) = await all_changes(stores)
    assert (change.change_offset, change.current.call.state) == (1, CallState.COMPLETED)
    assert change.revision == change.current.revision


async def test_a_late_decision_is_a_change_although_no_event_made_it(stores: Stores) -> None:
    await stores.append(event("s1", "15"), event("s1", "30", at_us=US + 1))
    await stores.append(decision("s1"))
    first, second = await all_changes(stores)
    assert (first.change_offset, second.change_offset) == (1, 2)
    assert first.revision < second.revision == first.current.revision
    assert second.current.call.calling_number == "+8613800001111"


async def test_a_refused_call_shows_although_it_has_no_event(stores: Stores) -> None:
    await stores.append(decision("s1", "1004"))
    (change,) = await all_changes(stores)
    assert change.current.call.state is CallState.REFUSED


async def test_a_repetition_changes_nothing(stores: Stores) -> None:
    await stores.append(event("s1", "15"), event("s1", "30", at_us=US + 1))
    await stores.append(event("s1", "30", at_us=US + 1))
    assert len(await all_changes(stores)) == 1


async def test_offsets_are_gapless_and_nothing_shows_up_behind_a_reader(stores: Stores) -> None:
    done = asyncio.Event()
    seen: list[tuple[int, int]] = []

    async def write(writer: int) -> None:
        for number in range(12):
            name = f"s-{writer}-{number}"
            await stores.append(event(name, "15"), event(name, "30", at_us=US + 1))

    async def follow(partition: int) -> None:
        after = 0
        while True:
            was_done = done.is_set()
            changes = await stores.changes.read_changes(partition, after, 5)
            seen.extend((partition, change.change_offset) for change in changes)
            if changes:
                after = changes[-1].change_offset
            elif was_done:
                return
            await asyncio.sleep(0)

    followers = [asyncio.create_task(follow(partition)) for partition in range(PARTITIONS)]
    await asyncio.gather(*(write(writer) for writer in range(4)))
    done.set()
    await asyncio.gather(*followers)
    assert len(seen) == 48
    for partition in range(PARTITIONS):
        offsets = [offset for place, offset in seen if place == partition]
        assert offsets == list(range(1, len(offsets) + 1))
