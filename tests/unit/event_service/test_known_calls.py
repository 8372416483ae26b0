"""What is remembered of calls is what is stored, or it is not remembered."""

from event_service.append_plan import KnownCall
from event_service.known_calls import KnownCalls
from event_service.limits import MAX_FOLDED_EVENTS

PARTITIONS = {b"a": 0, b"b": 0, b"c": 1}


def remembering(**calls: KnownCall) -> KnownCalls:
    """A memory of these calls, written as the first transaction of both partitions."""
    known = KnownCalls(1_000_000)
    known.take({0: 0, 1: 0}, {})
    known.keep({0: 0, 1: 0}, PARTITIONS, {name.encode(): call for name, call in calls.items()})
    return known


def test_what_nobody_wrote_since_is_known() -> None:
    a, c = KnownCall(), KnownCall()
    known = remembering(a=a, c=c)
    found = known.take({0: 1, 1: 1}, PARTITIONS)
    assert found[b"a"] is a
    assert found[b"c"] is c
    assert set(found) == {b"a", b"c"}


def test_another_writer_makes_all_of_the_partition_unknown() -> None:
    known = remembering(a=KnownCall(), b=KnownCall(), c=KnownCall())
    assert set(known.take({0: 2, 1: 1}, PARTITIONS)) == {b"c"}
    # Nor does it come back.
    assert known.take({0: 2}, {b"a": 0, b"b": 0}) == {}


def test_what_is_taken_is_forgotten_until_it_is_committed() -> None:
    known = remembering(a=KnownCall())
    taken = known.take({0: 1}, {b"a": 0})
    # The transaction failed: what was changed in memory must not be believed, and the count has not moved.
    assert known.take({0: 1}, {b"a": 0}) == {}
    known.keep({0: 1}, PARTITIONS, taken)
    assert known.take({0: 2}, {b"a": 0}) == taken


def test_a_commit_is_not_remembered_once_somebody_else_has_locked_the_partition() -> None:
    known = remembering(a=KnownCall())
    mine = known.take({0: 1}, {b"a": 0})
    # Ours is committed (count 2), and before we come to remember it, a second transaction takes the partition.
    assert known.take({0: 2}, {b"a": 0}) == {}
    known.keep({0: 1}, PARTITIONS, mine)
    assert known.take({0: 2}, {b"a": 0}) == {}
    newer = KnownCall()
    known.keep({0: 2}, PARTITIONS, {b"a": newer})
    assert known.take({0: 3}, {b"a": 0}) == {b"a": newer}


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    known = KnownCalls(max_bytes=10 * 3000)
    known.take({0: 0}, {})
    for count in range(20):
        known.keep({0: count}, {b"%d" % count: 0}, {b"%d" % count: KnownCall()})
    assert sorted(known.take({0: 20}, {b"%d" % count: 0 for count in range(20)})) == sorted(
        b"%d" % count for count in range(10, 20)
    )


def test_calls_that_are_not_known_whole_are_not_remembered() -> None:
    known = remembering(a=KnownCall(event_count=MAX_FOLDED_EVENTS + 1))
    assert known.take({0: 1}, {b"a": 0}) == {}
