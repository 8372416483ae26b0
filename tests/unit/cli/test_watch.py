"""`axbridge bindings watch` over cuts."""

from collections.abc import Iterator

import pytest
from axbridge.routing.v1.binding_service_pb2 import BindingChange, WatchBindingsResponse

from cli.watch import followed
from common.errors import NotFoundError, UnavailableError


class Streams:
    """Changes at these positions; each stream is cut after `length` of them, and some are cut before the first."""

    def __init__(self, last: int, length: int, *, silent: int = 0) -> None:
        self._last = last
        self._length = length
        self._silent = silent
        self.opened: list[int] = []
        self.cuts: list[int] = []
        self.pauses: list[float] = []

    def read(self, after: int) -> Iterator[WatchBindingsResponse]:
        self.opened.append(after)
        if self._silent:
            self._silent -= 1
            raise UnavailableError("stopping")
        first = 1 if after < 0 else after + 1
        for position in range(first, min(first + self._length, self._last + 1)):
            yield WatchBindingsResponse(changes=[BindingChange(position=position)])
        if first + self._length > self._last:
            raise NotFoundError("the tenant was deleted")
        raise UnavailableError("stopping")

    def positions(self, after: int) -> Iterator[int]:
        for change in followed(self.read, after, self.cuts.append, self.pauses.append):
            yield change.position


def test_every_change_is_seen_once_over_cuts() -> None:
    streams = Streams(last=7, length=3)
    seen: list[int] = []
    with pytest.raises(NotFoundError):
        for position in streams.positions(0):
            seen.append(position)
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert streams.opened == [0, 3, 6]
    assert streams.cuts == [3, 6]


def test_a_cut_is_told_once_however_long_it_lasts() -> None:
    streams = Streams(last=5, length=5, silent=4)
    assert [next(reading := streams.positions(-1)), next(reading)] == [1, 2]
    assert streams.opened == [-1] * 5
    assert streams.cuts == [-1]
    assert len(streams.pauses) == 4


def test_a_stream_that_is_cut_before_its_first_change_goes_on_where_it_began() -> None:
    opened: list[int] = []

    def read(after: int) -> Iterator[WatchBindingsResponse]:
        opened.append(after)
        yield WatchBindingsResponse(position=7)
        if len(opened) == 3:
            yield WatchBindingsResponse(changes=[BindingChange(position=8)], position=8)
        raise UnavailableError("stopping")

    cuts: list[int] = []
    assert next(followed(read, -1, cuts.append, lambda _: None)).position == 8
    assert opened == [-1, 7, 7]
    assert cuts == [7, 7]
