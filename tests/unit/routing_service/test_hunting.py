"""The order of a group's members: the same for the same session, fair in the large."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from routing_service.domain.binding import BindingTarget, HuntStrategy
from routing_service.domain.decision import Recollection
from routing_service.hunting import hunt_order

MEMBERS = [BindingTarget(f"+86138000011{place:02}") for place in range(7)]
SEQUENTIAL, ROUND_ROBIN, LONGEST_IDLE = HuntStrategy

members_lists = st.integers(1, 7).map(lambda count: MEMBERS[:count])
sessions = st.text(max_size=20)
recollections = st.one_of(
    st.none(),
    st.builds(
        Recollection,
        order=st.permutations([each.number for each in MEMBERS]).map(lambda order: tuple(order[:3])),
        last_routed_at_us=st.dictionaries(st.sampled_from([each.number for each in MEMBERS]), st.integers(1, 5)),
    ),
)


@given(members_lists, st.sampled_from(HuntStrategy), sessions, recollections)
def test_everybody_once_and_always_the_same(
    members: list[BindingTarget], strategy: HuntStrategy, session: str, recollection: Recollection | None
) -> None:
    order = hunt_order(members, strategy, ("b1", session), recollection)

    assert sorted(each.number for each in order) == sorted(each.number for each in members)
    assert order == hunt_order(members, strategy, ("b1", session), recollection)
    if strategy is SEQUENTIAL:
        assert list(order) == members


@given(members_lists, sessions)
def test_round_robin_turns_the_list(members: list[BindingTarget], session: str) -> None:
    order = list(hunt_order(members, ROUND_ROBIN, ("b1", session), None))
    first = members.index(order[0])

    assert order == members[first:] + members[:first]


def test_round_robin_is_uniform_in_the_large() -> None:
    calls = 7000
    first = Counter(
        hunt_order(MEMBERS, ROUND_ROBIN, ("b1", f"session-{each}"), None)[0].number for each in range(calls)
    )

    # The chance that any of seven is off by more than 5 standard deviations (29 calls each) is below one in 200,000.
    assert all(abs(first[each.number] - calls / 7) < 150 for each in MEMBERS)


def test_round_robin_of_two_groups_does_not_go_in_step() -> None:
    same = sum(
        hunt_order(MEMBERS, ROUND_ROBIN, ("b1", f"s{each}"), None)[0]
        == hunt_order(MEMBERS, ROUND_ROBIN, ("b2", f"s{each}"), None)[0]
        for each in range(700)
    )

    assert 50 < same < 160


def test_longest_idle_begins_with_who_was_called_least_lately() -> None:
    numbers = [each.number for each in MEMBERS[:4]]
    known = Recollection(last_routed_at_us={numbers[0]: 30, numbers[1]: 10, numbers[3]: 20})
    order = hunt_order(MEMBERS[:4], LONGEST_IDLE, ("b1", "s1"), known)

    assert [each.number for each in order] == [numbers[2], numbers[1], numbers[3], numbers[0]]


def test_longest_idle_keeps_a_sessions_order() -> None:
    numbers = [each.number for each in MEMBERS[:4]]
    before = (numbers[3], numbers[0], numbers[1])
    known = Recollection(before, {numbers[3]: 99})
    order = hunt_order(MEMBERS[:4], LONGEST_IDLE, ("b1", "s1"), known)

    assert tuple(each.number for each in order) == (*before, numbers[2]), "who joined since comes last"


def test_longest_idle_without_knowledge_is_fair() -> None:
    first = Counter(
        hunt_order(MEMBERS, LONGEST_IDLE, ("b1", f"session-{each}"), None)[0].number for each in range(7000)
    )

    assert all(abs(first[each.number] - 1000) < 150 for each in MEMBERS)
