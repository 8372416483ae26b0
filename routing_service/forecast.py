"""How many access numbers a pool needs: a pure function of how its bindings overlapped."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from routing_service.domain.number_pool import NumberUse, PoolForecast

_Span = tuple[datetime, datetime]


def forecast(
    access_numbers: int, uses: Iterable[NumberUse], since: datetime, now: datetime, cool_down: timedelta
) -> PoolForecast:
    """The forecast from the uses between `since` and `now`.

    Two bindings of one number need two access numbers when they overlap, or when the later one begins while the earlier
    one's access number still rests. Several uses of one binding, one after the other, are one.
    """
    by_binding: defaultdict[str, list[_Span]] = defaultdict(list)
    by_number: defaultdict[str, defaultdict[str, list[_Span]]] = defaultdict(lambda: defaultdict(list))
    for use in uses:
        span = (use.started_at, now if use.ended_at is None else use.ended_at)
        by_binding[use.binding_id].append(span)
        for number in use.numbers:
            by_number[number][use.binding_id].append(span)
    needed, busiest = 0, ""
    for number, of_bindings in sorted(by_number.items()):
        if sum(map(len, of_bindings.values())) <= needed:
            # Nearly all numbers have a binding or two, which can't need more than the busiest so far.
            continue
        spans = [(start, end + cool_down) for each in of_bindings.values() for start, end in _joined(each)]
        peak = _peak(spans, since, now)
        if peak > needed:
            needed, busiest = peak, number
    live = _peak([span for each in by_binding.values() for span in _joined(each)], since, now)
    return PoolForecast(access_numbers, needed, busiest, live)


def _joined(spans: Sequence[_Span]) -> list[_Span]:
    """The same time in spans that don't touch."""
    joined: list[_Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _peak(spans: Sequence[_Span], since: datetime, now: datetime) -> int:
    """The most spans at one time; a span ends just before its end, and one that lasts still counts up to now."""
    steps: list[tuple[datetime, int]] = []
    for start, end in spans:
        if start <= now and end > since and end > start:
            steps += [(max(start, since), 1), (end, -1)]
    # At the same moment ends come first.
    steps.sort()
    most = running = 0
    for _, step in steps:
        running += step
        most = max(most, running)
    return most
