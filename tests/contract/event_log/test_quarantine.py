"""What every quarantine does. The one here holds 10 messages and 1000 bytes of bodies."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service import sql_quarantine
from event_service.ports import Quarantine, QuarantinedMessage


def message(number: int, size: int = 10, tenant_id: str = "") -> QuarantinedMessage:
    return QuarantinedMessage(
        received_at_us=number,
        reason=f"sid is missing ({number})",
        tenant_id=tenant_id,
        raw_body=b"\x00" * size,
        content_type="text/xml; charset=GBK",
    )


async def numbers(quarantine: Quarantine) -> list[int]:
    return [kept.received_at_us for kept in await quarantine.list_page("", 0, 1000)]


async def test_what_is_kept_is_what_was_added(quarantine: Quarantine) -> None:
    assert await quarantine.list_page("", 0, 10) == []
    assert await quarantine.add([]) == 0
    assert await quarantine.add([message(1), message(2)]) == 0
    first, second = await quarantine.list_page("", 0, 10)
    assert 0 < first.message_id < second.message_id
    assert (first.reason, first.raw_body, first.content_type, first.tenant_id) == (
        "sid is missing (1)",
        b"\x00" * 10,
        "text/xml; charset=GBK",
        "",
    )


async def test_pages_and_tenants(quarantine: Quarantine) -> None:
    await quarantine.add([message(number, tenant_id="ab"[number % 2]) for number in range(10)])
    assert [m.received_at_us for m in await quarantine.list_page("a", 0, 100)] == [0, 2, 4, 6, 8]
    seen: list[int] = []
    after = 0
    while page := await quarantine.list_page("", after, 3):
        seen += [kept.received_at_us for kept in page]
        after = page[-1].message_id
    assert seen == list(range(10))


async def test_over_the_bound_of_messages_the_oldest_go(quarantine: Quarantine) -> None:
    assert await quarantine.add([message(number) for number in range(10)]) == 0
    assert await quarantine.add([message(10)]) == 1
    assert await quarantine.add([message(number) for number in range(11, 14)]) == 3
    assert await numbers(quarantine) == list(range(4, 14))


async def test_over_the_bound_of_bytes_the_oldest_go(quarantine: Quarantine) -> None:
    assert await quarantine.add([message(1, 400), message(2, 400)]) == 0
    assert await quarantine.add([message(3, 300)]) == 1
    assert await numbers(quarantine) == [2, 3]
    assert await quarantine.add([message(4, 1000)]) == 2
    assert await numbers(quarantine) == [4]
    # One that is larger than the whole bound does not fit at all.
    assert await quarantine.add([message(5, 1001)]) == 2
    assert await numbers(quarantine) == []
    assert await quarantine.add([message(6, 1000)]) == 0


async def test_a_batch_over_the_bound_keeps_its_newest(quarantine: Quarantine) -> None:
    assert await quarantine.add([message(number) for number in range(1200)]) == 1190
    assert await numbers(quarantine) == list(range(1190, 1200))


async def test_removing_makes_room_and_ids_are_not_given_again(quarantine: Quarantine) -> None:
    await quarantine.add([message(number) for number in range(10)])
    ids = [kept.message_id for kept in await quarantine.list_page("", 0, 100)]
    assert await quarantine.delete([*ids[5:], ids[9], 999_999], 0) == 5
    assert await quarantine.delete(ids[5:], 0) == 0
    assert await quarantine.add([message(number) for number in range(10, 15)]) == 0
    kept = await quarantine.list_page("", 0, 100)
    assert [m.received_at_us for m in kept] == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert kept[5].message_id > ids[9]


async def test_many_writers_stay_within_the_bound(quarantine: Quarantine) -> None:
    dropped = await asyncio.gather(*(quarantine.add([message(n), message(n)]) for n in range(20)))
    assert sum(dropped) == 30
    assert len(await numbers(quarantine)) == 10


async def test_a_caller_who_does_not_wait_any_more_leaves_nothing_locked(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = asyncio.Event()
    lock_totals = sql_quarantine._lock_totals
    # On SQLite a statement that has rows left when nobody waits for it any more.
    slow = {
        "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300000) "
        "SELECT x FROM c ORDER BY -x",
        "postgresql": "SELECT pg_sleep(0.3)",
    }

    async def lock_slowly(connection: AsyncConnection) -> Any:
        totals = await lock_totals(connection)
        if not inside.is_set():
            inside.set()
            await connection.execute(text(slow[connection.dialect.name]))
        return totals

    monkeypatch.setattr(sql_quarantine, "_lock_totals", lock_slowly)
    deleting = asyncio.create_task(quarantine.delete([1], 0))
    await inside.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    assert await quarantine.add([message(1)]) == 0
