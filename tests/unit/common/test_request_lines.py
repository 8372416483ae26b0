"""One log line a request, within bounds."""

from common.request_lines import FAILURES_PER_SECOND, RequestLines


def test_every_request_has_its_line_while_there_are_few() -> None:
    lines = RequestLines(10, 0.0)
    assert all(lines.admit(second / 10, failed=False) for second in range(100))
    assert lines.held_back == 0


def test_beyond_the_bound_they_are_counted() -> None:
    lines = RequestLines(10, 0.0)
    admitted = sum(lines.admit(number / 1000, failed=False) for number in range(5000))
    # Ten at once, then ten a second.
    assert 50 <= admitted <= 60
    assert lines.held_back == 5000 - admitted


def test_failures_have_their_line_whatever_went_well_before() -> None:
    lines = RequestLines(0, 0.0)
    assert not lines.admit(0.0, failed=False)
    assert all(lines.admit(0.0, failed=True) for _ in range(500))


def test_when_everything_fails_not_all_of_it_is_written_down() -> None:
    lines = RequestLines(100, 0.0)
    admitted = sum(lines.admit(1.0, failed=True) for _ in range(10_000))
    assert admitted == FAILURES_PER_SECOND
