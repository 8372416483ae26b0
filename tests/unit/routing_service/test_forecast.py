"""How many access numbers a pool needs, from how its bindings overlapped."""

import random
from datetime import datetime, timedelta

import pytest

from routing_service.domain.number_pool import NumberUse
from routing_service.forecast import forecast
from tests.unit.routing_service.builders import MINUTE, NOW, A, B, C, D

REST = 10 * MINUTE
SINCE = NOW - timedelta(days=1)


def use(*numbers: str, begins: int, ends: int | None = None, binding_id: str = "") -> NumberUse:
    """A use by these numbers, in minutes before now."""
    name = binding_id or f"{numbers} {begins}"
    return NumberUse(name, numbers, NOW - begins * MINUTE, None if ends is None else NOW - ends * MINUTE)


@pytest.mark.parametrize(
    ("uses", "needed", "busiest"),
    [
        pytest.param([], 0, "", id="none"),
        pytest.param([use(A, B, begins=60), use(C, D, begins=60)], 1, D, id="strangers share one"),
        pytest.param([use(A, B, begins=60), use(A, C, begins=50)], 2, A, id="one number in two"),
        pytest.param([use(A, B, begins=60, ends=40), use(A, C, begins=31)], 2, A, id="the first one still rests"),
        pytest.param([use(A, B, begins=60, ends=40), use(A, C, begins=30)], 1, C, id="the first one has rested"),
        pytest.param([use(A, B, begins=60), use(C, D, begins=59), use(B, C, begins=58)], 3, C, id="what either has"),
        pytest.param([use(A, B, begins=60), use(B, A, begins=50)], 2, A, id="one pair twice"),
        pytest.param([use(A, begins=60), use(B, begins=50), use(begins=40)], 3, "", id="owners and a group"),
        pytest.param([use(A, begins=60), use(A, B, begins=50), use(A, C, begins=50)], 3, A, id="an owner beside pairs"),
        pytest.param([use(A, begins=60, ends=40), use(B, begins=31)], 2, "", id="an owner's rests for everybody"),
        pytest.param(
            [use(A, B, begins=60, ends=30, binding_id="b"), use(A, B, begins=30, binding_id="b")], 1, A, id="a change"
        ),
        pytest.param([use(A, B, begins=9999, ends=1451), use(A, C, begins=9999, ends=1449)], 1, C, id="long ago"),
    ],
)
def test_what_is_needed(uses: list[NumberUse], needed: int, busiest: str) -> None:
    found = forecast(7, uses, SINCE, NOW, REST)
    assert (found.access_numbers, found.needed, found.busiest_number) == (7, needed, busiest)


def test_as_many_are_needed_as_a_new_pair_can_find_taken() -> None:
    rng = random.Random(20261127)

    def lasts(each: NumberUse, moment: datetime) -> bool:
        return each.started_at <= moment < (NOW if each.ended_at is None else each.ended_at) + REST

    for _ in range(200):
        uses = [
            use(*rng.sample([A, B, C, D], 2), begins=(begins := rng.randrange(90)), binding_id=f"b{place}")
            if rng.random() < 0.3
            else use(
                *rng.sample([A, B, C, D], 2),
                begins=(begins := rng.randrange(90)),
                ends=rng.randrange(begins + 1),
                binding_id=f"b{place}",
            )
            for place in range(rng.randrange(1, 12))
        ]
        taken = [
            sum(lasts(other, each.started_at) and bool({*each.numbers} & {*other.numbers}) for other in uses)
            for each in uses
        ]
        assert forecast(0, uses, SINCE, NOW, REST).needed == max(taken)
