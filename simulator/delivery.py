"""The way from the platform to us: events in order, or doubled and overtaking each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from simulator.messages import Event


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way. `copies` of it are sent at the same time."""

    event: Event
    at_seconds: float
    copies: int = 1


def deliver(
    timed_events: Sequence[tuple[float, Event]], duplicates: float, reorder: float, rng: Random
) -> list[Delivery]:
    """The deliveries of a call's events, `(seconds after the answer, event)` each.

    With the chance `reorder` an event changes places with the one before it. With the chance `duplicates` it comes
    twice: half of them at the same time, half of them again at some later point of the call.
    """
    order = list(timed_events)
    for position in range(1, len(order)):
        if rng.random() < reorder:
            (early, former), (late, latter) = order[position - 1], order[position]
            order[position - 1 : position + 1] = [(early, latter), (late, former)]
    deliveries: list[Delivery] = []
    repeated: list[tuple[int, Event]] = []
    for position, (at_seconds, event) in enumerate(order):
        copies = 1
        if rng.random() < duplicates:
            if rng.random() < 0.5:
                copies = 2
            else:
                repeated.append((rng.randint(position + 1, len(order)), event))
        deliveries.append(Delivery(event, at_seconds, copies))
    # From the back, so that earlier positions stay what they were.
    for position, event in sorted(repeated, key=lambda item: item[0], reverse=True):
        at_seconds = deliveries[position - 1].at_seconds
        deliveries.insert(position, Delivery(event, at_seconds))
    return deliveries
