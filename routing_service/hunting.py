"""In which order the members of a group are tried: a pure function of the session and what is remembered.

The same session gets the same order when its query is sent again: by ROUND_ROBIN always, since only the session's id
and the binding count; by LONGEST_IDLE where the order it got is remembered (see `call_memory`).
"""

import hashlib
from collections.abc import Sequence

from routing_service.domain.binding import BindingTarget, HuntStrategy
from routing_service.domain.decision import NOTHING_RECALLED, Recollection


def hunt_order(
    members: Sequence[BindingTarget],
    strategy: HuntStrategy,
    seed: tuple[str, str],
    recollection: Recollection | None,
) -> tuple[BindingTarget, ...]:
    """All members, each once, in the order to try them.

    `seed` is the binding's id and the session's. ROUND_ROBIN turns the list to begin anywhere with the same
    probability. LONGEST_IDLE begins with those who were never put first; those who are alike stand in an order of the
    session's own, and so do all of them where nothing can be recalled.
    """
    if strategy is HuntStrategy.SEQUENTIAL or len(members) < 2:
        return tuple(members)
    if strategy is HuntStrategy.ROUND_ROBIN:
        first = int.from_bytes(_digest(*seed)) % len(members)
        return (*members[first:], *members[:first])
    recalled = recollection if recollection is not None else NOTHING_RECALLED
    places = {number: place for place, number in enumerate(recalled.order)}
    last_routed = recalled.last_routed_at_us

    def place_of(member: BindingTarget) -> tuple[int, int, bytes]:
        # A member that joined since this session's first query comes last.
        place = places.get(member.number, len(places))
        return place, last_routed.get(member.number, 0), _digest(*seed, member.number)

    return tuple(sorted(members, key=place_of))


def _digest(*parts: str) -> bytes:
    # Not Python's own hash, which differs from one process to the next.
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
