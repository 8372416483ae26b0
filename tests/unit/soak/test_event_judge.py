"""The judge of the fault runs (tests.soak.event_faults) finds what is wrong: losses, repetitions and every disorder."""

import pytest

from tests.soak.event_judge import EventName, LogRow, disordered, judge_log, unseen

FIRST, SECOND, OTHER = (EventName("s1", "c1", str(seq), code) for seq, code in ((2, "15"), (3, "16"), (4, "31")))


def test_the_judge_accepts_what_is_right() -> None:
    log = [LogRow(0, 1, FIRST), LogRow(0, 2, SECOND)]
    assert judge_log([FIRST, SECOND, FIRST], log, {0: 2, 1: 0}).clean


def test_the_judge_sees_what_is_missing() -> None:
    assert judge_log([FIRST, SECOND], [LogRow(0, 1, FIRST)], {0: 1}).missing == 1


def test_the_judge_sees_what_is_there_twice() -> None:
    assert judge_log([FIRST], [LogRow(0, 1, FIRST), LogRow(0, 2, FIRST)], {0: 2}).doubled == 1


@pytest.mark.parametrize("places", [((0, 2), (0, 1)), ((0, 1), (1, 1))])
def test_the_judge_sees_what_changed_places(places: tuple[tuple[int, int], tuple[int, int]]) -> None:
    log = [LogRow(*place, name) for place, name in zip(places, (FIRST, SECOND), strict=True)]
    heads = {partition: 2 if partition == 0 and places[1][0] == 0 else 1 for partition, _ in places}
    verdict = judge_log([FIRST, SECOND], log, heads)
    assert (verdict.out_of_order, verdict.broken_partitions) == (1, [])


@pytest.mark.parametrize("head", [1, 4])
def test_the_judge_sees_gaps_and_heads_that_are_wrong(head: int) -> None:
    log = [LogRow(3, 1, FIRST), LogRow(3, 3, SECOND)]
    assert judge_log([], log, {3: head}).broken_partitions == [3]


def test_readers_are_judged_by_the_log() -> None:
    log = [LogRow(0, 1, FIRST), LogRow(0, 2, SECOND), LogRow(0, 3, OTHER)]
    assert unseen(log, {FIRST, OTHER}) == [SECOND]
    assert disordered(log, [FIRST, SECOND, OTHER]) == 0
    assert disordered(log, [FIRST, OTHER, SECOND]) == 1
