"""How many access numbers a pool needs: a pure function of how its bindings overlapped."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from routing_service.domain.number_pool import NumberUse, PoolForecast

_Span = tuple[datetime, datetime]
_SpansByBinding = defaultdict[str, list[_Span]]


def forecast(
    access_numbers: int, uses: Iterable[NumberUse], since: datetime, now: datetime, cool_down: timedelta
) -> PoolForecast:
    """The forecast from the uses between `since` and `now`.

    Two bindings of one number need two access numbers when they overlap, or when the later one begins while the earlier
    one's access number still rests. A pair must not get what A has nor what B has, and these can all be different. A
    binding that is no pair has its access number to itself, at rest included. Several uses of one binding, one after
    the other, are one.
    """
    by_binding: _SpansByBinding = defaultdict(list)
    alone: _SpansByBinding = defaultdict(list)
    by_number: defaultdict[str, _SpansByBinding] = defaultdict(lambda: defaultdict(list))
    by_pair: defaultdict[tuple[str, ...], _SpansByBinding] = defaultdict(lambda: defaultdict(list))
    for use in uses:
        span = (use.started_at, now if use.ended_at is None else use.ended_at)
        by_binding[use.binding_id].append(span)
        if len(use.numbers) < 2:
            alone[use.binding_id].append(span)
            continue
        by_pair[tuple(sorted(use.numbers))][use.binding_id].append(span)
        for number in use.numbers:
            by_number[number][use.binding_id].append(span)
    loads = {number: _Load(of_number, cool_down) for number, of_number in by_number.items()}
    needed, busiest = 0, ""
    for pair, of_pair in sorted(by_pair.items()):
        sides = [loads[number] for number in pair]
        if sum(side.most for side in sides) <= needed:
            # Nearly all numbers have a binding or two, which can't need more than the busiest so far.
            continue
        both = _Load(of_pair, cool_down)
        for start, end in (span for each in of_pair.values() for span in each):
            moment = max(start, since)
            if start > now or end + cool_down <= moment:
                continue
            counts = [side.at(moment) for side in sides]
            if sum(counts) - both.at(moment) > needed:
                needed = sum(counts) - both.at(moment)
                busiest = pair[counts.index(max(counts))]
    kept = _peak([(start, end + cool_down) for start, end in _all_joined(alone)], since, now)
    live = _peak(_all_joined(by_binding), since, now)
    return PoolForecast(access_numbers, kept + needed, busiest, live)


class _Load:
    """How many access numbers some bindings kept from others, at any time."""

    def __init__(self, of_bindings: _SpansByBinding, cool_down: timedelta) -> None:
        spans = [(start, end + cool_down) for start, end in _all_joined(of_bindings) if end + cool_down > start]
        self._starts = sorted(start for start, _ in spans)
        self._ends = sorted(end for _, end in spans)
        self.most = len(spans)

    def at(self, moment: datetime) -> int:
        """A span ends just before its end."""
        return bisect_right(self._starts, moment) - bisect_right(self._ends, moment)


def _all_joined(of_bindings: _SpansByBinding) -> list[_Span]:
    return [span for each in of_bindings.values() for span in _joined(each)]


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
