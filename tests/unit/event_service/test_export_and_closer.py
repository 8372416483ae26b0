import asyncio
import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from common.errors import UnavailableError
from event_service.call_closer import CALLS_AT_ONCE, CallCloser
from event_service.domain import CallRevision
from event_service.export import FIELD_NAMES, csv_header, csv_lines, ndjson_lines
from event_service.fold import fold_call
from event_service.ports import CallName, LogSlice, Patience
from event_service.repeating import repeating
from tests.unit.event_service.builders import A_NORMAL, decision, event


def records() -> list[CallRevision]:
    whole = fold_call(
        [event(code, at, user_data='=1+1,"x"\nnext') for at, code in enumerate(("15", "16", "31", "40", "22"), 1)],
        [decision()],
    )
    return [CallRevision(whole, 3), CallRevision(fold_call([event("15", 1)]), 1)]


def test_csv_is_read_back_by_any_reader_and_holds_no_formula() -> None:
    text = (csv_header() + csv_lines(records(), whole_numbers=True)).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["state"] for row in rows] == ["completed", "calling"]
    assert rows[0]["calling_number"] == A_NORMAL
    assert rows[0]["user_data"] == '\'=1+1,"x"\nnext'
    assert rows[0]["answered_at"] == "2023-11-14T22:13:23.000000+00:00"
    assert rows[1]["answered_at"] == ""
    assert rows[1]["anomalies"] == "missing:query"
    assert rows[0]["revision"] == "3"


def test_every_line_of_ndjson_has_every_field_in_one_type() -> None:
    lines = [json.loads(line) for line in ndjson_lines(records(), whole_numbers=True).splitlines()]
    assert all(tuple(line) == FIELD_NAMES for line in lines)
    for name in FIELD_NAMES:
        kinds = {type(line[name]) for line in lines if line[name] is not None}
        assert len(kinds) <= 1, name
    assert lines[0]["talk_seconds"] == 2
    assert lines[1]["talk_seconds"] is None


def test_numbers_are_masked_unless_wanted() -> None:
    for write in (csv_lines, ndjson_lines):
        whole, masked = (write(records(), whole_numbers=wanted).decode() for wanted in (True, False))
        assert "13800001111" in whole and "13900001111" in whole
        assert "13800001111" not in masked and "13900001111" not in masked
        assert "138****1111" in masked


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1+cmd|'/C calc'!A0", "'+1+cmd|'/C calc'!A0"),
        ("-2", "'-2"),
        ("\n=1", "'\n=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("订单7,“急”", "订单7,“急”"),
        ("a=1", "a=1"),
    ],
)
def test_a_text_that_a_spreadsheet_would_work_out_is_marked(text: str, written: str) -> None:
    lines = csv_lines([CallRevision(fold_call([event("15", 1, user_data=text)]), 1)], whole_numbers=False)
    (row,) = csv.DictReader(io.StringIO((csv_header() + lines).decode(), newline=""))
    assert row["user_data"] == written
    # The numbers are what is looked up in the file: masked or not, they are written as they are everywhere else.
    assert row["calling_number"] == "+86138****1111"


class FakeUpkeep:
    """Calls that are overdue until they are closed."""

    def __init__(self, overdue: int) -> None:
        self.open = [CallName("100001", f"s{number}") for number in range(overdue)]
        self.failures = 0

    async def overdue(self, now_us: int, patience: Patience, limit: int) -> Sequence[CallName]:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("the database can't be reached")
        return self.open[:limit]

    async def close(self, names: Sequence[CallName], now_us: int, patience: Patience) -> int:
        self.open = [name for name in self.open if name not in names]
        return len(names)

    async def refold(self, names: Sequence[CallName], *, dry_run: bool, actor: str = "") -> Sequence[CallName]:
        raise NotImplementedError

    async def unrecorded(self, tenant_id: str, after_key: bytes, limit: int) -> LogSlice:
        raise NotImplementedError


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


@pytest.mark.parametrize("overdue", [0, 1, CALLS_AT_ONCE, CALLS_AT_ONCE + 1])
async def test_all_overdue_calls_are_given_up(overdue: int) -> None:
    upkeep = FakeUpkeep(overdue)
    assert await CallCloser(upkeep, FixedClock(), Patience(60, 1)).close_overdue() == overdue
    assert not upkeep.open


async def test_the_closer_goes_on_after_the_store_was_away() -> None:
    upkeep = FakeUpkeep(3)
    upkeep.failures = 2
    turns = asyncio.Semaphore(0)
    looked = asyncio.Event()
    count = 0

    async def sleep(_seconds: float) -> None:
        nonlocal count
        count += 1
        if count == 4:
            looked.set()
        await turns.acquire()

    closer = CallCloser(upkeep, FixedClock(), Patience(60, 1))
    async with repeating("closing", closer.close_overdue, 1.0, sleep):
        for _ in range(3):
            turns.release()
        await asyncio.wait_for(looked.wait(), 5)
        assert not upkeep.open


async def test_between_two_lots_the_log_is_left_to_those_who_append() -> None:
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    class Ticking(FixedClock):
        now_seconds = 0.0

        def monotonic(self) -> float:
            self.now_seconds += 2
            return self.now_seconds

    assert await CallCloser(FakeUpkeep(2 * CALLS_AT_ONCE + 1), Ticking(), Patience(60, 1), sleep).close_overdue()
    assert pauses == [2.0, 2.0]
