"""The judge of unbinding: what a read may have seen."""

import pytest

from tests.soak.history import UNBOUND, Register, Report, seen_by_target


@pytest.fixture
def register() -> Register:
    return Register("pair")


def written(register: Register, state: str) -> None:
    register.begin(state)
    register.acknowledge()


def test_what_was_acknowledged_before_a_read_is_seen_by_it(register: Register) -> None:
    written(register, "b1")
    before = register.acknowledged

    assert register.allows("b1", before)
    assert not register.allows(UNBOUND, before)


def test_a_read_that_began_before_the_acknowledgement_may_see_both(register: Register) -> None:
    before = register.acknowledged
    written(register, "b1")

    assert register.allows(UNBOUND, before)
    assert register.allows("b1", before)


def test_a_write_that_is_under_way_may_be_seen_and_may_not(register: Register) -> None:
    written(register, "b1")
    before = register.acknowledged
    register.begin(UNBOUND)

    assert register.allows("b1", before)
    assert register.allows(UNBOUND, before)
    register.acknowledge()
    assert not register.allows("b1", register.acknowledged)


def test_what_was_never_written_is_never_allowed(register: Register) -> None:
    written(register, "b1")

    assert not register.allows("b2", 0)


def test_a_state_that_comes_back_is_right_again(register: Register) -> None:
    for state in ("b1", UNBOUND, "b2", UNBOUND):
        written(register, state)

    assert register.allows(UNBOUND, register.acknowledged)
    assert not register.allows("b2", register.acknowledged)
    assert "b2" in register.describe("b2", register.acknowledged)


def test_a_former_target_that_calls_back_reaches_nobody(register: Register) -> None:
    written(register, "b1")
    by_b1 = seen_by_target("b1", "a")
    assert register.allows("a", register.acknowledged, by_b1)
    assert not register.allows(UNBOUND, register.acknowledged, by_b1)
    before = register.acknowledged
    written(register, "b2")

    assert register.allows("a", before, by_b1)
    assert register.allows(UNBOUND, before, by_b1)
    assert not register.allows("a", register.acknowledged, by_b1)
    assert register.allows("a", register.acknowledged, seen_by_target("b2", "a"))
    assert "1 writes old" in register.describe("a", register.acknowledged, by_b1)


def test_what_counts_as_unbound_before(register: Register) -> None:
    for state in ("b1", "b2"):
        written(register, state)
    assert not register.was_unbound(register.acknowledged)
    register.begin(UNBOUND)
    assert register.is_being_written
    assert not register.was_unbound(register.acknowledged)
    register.acknowledge()

    assert register.was_unbound(register.acknowledged)
    assert not register.was_unbound(register.acknowledged - 1)
    assert not register.is_being_written
    assert register.latest == ["b1", "b2", UNBOUND]


def test_the_share_that_the_cache_answered() -> None:
    report = Report(reads=10)
    report.sources["DECISION_SOURCE_CACHE"] = 4

    assert (report.cached_share, Report().cached_share) == (0.4, 0.0)


def test_one_write_at_a_time(register: Register) -> None:
    register.begin("b1")
    with pytest.raises(RuntimeError, match="not acknowledged"):
        register.begin("b2")


def test_percentiles_and_the_report() -> None:
    report = Report(batch_seconds=[n / 1000 for n in range(1, 101)], seconds=2.0, reads=10)

    assert report.percentile(0.5) == pytest.approx(0.051)
    assert report.percentile(1.0) == pytest.approx(0.1)
    assert Report().percentile(0.99) == 0.0
    assert any("stale: 0" in line for line in report.lines())
