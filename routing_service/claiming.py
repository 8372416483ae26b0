"""Which claims a binding gets of those that it wants: the rules that keep live bindings apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.errors import FailedPreconditionError
from routing_service.domain.binding import Binding
from routing_service.domain.importing import ImportDraft, ImportOutcome
from routing_service.ports import ImportChunk
from routing_service.refusals import in_the_way

NOT_STORED = "another row was refused, and all rows or none are stored"

# An access number, and a caller on it or EVERY_CALLER.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Holder:
    """The binding that has a claim now, and whether it is live."""

    binding_id: str
    live: bool


@dataclass(frozen=True, slots=True)
class Claiming:
    """The callers that a binding gets, and those of them that other bindings lose."""

    taken: tuple[str, ...]
    gives_way: tuple[str, ...]


def claiming(binding: Binding, holders: Mapping[str, Holder], now: datetime) -> Claiming:
    """What a binding gets of its claims, where others hold these. Its own claims until now are none of them.

    Raises AlreadyExistsError naming the binding in the way: the first of the live `holders`. Claims of bindings that
    have expired give way; a binding that has expired itself takes only what is free.
    """
    wanted = binding.terms.claims()
    if binding.terms.has_expired(now):
        return Claiming(tuple(number for number in wanted if number not in holders), ())
    for number, holder in holders.items():
        if holder.live:
            raise in_the_way(binding, number, holder.binding_id)
    return Claiming(wanted, tuple(holders))


class Sifting:
    """Finds out, row by row, which drafts of an import can be stored together."""

    def __init__(
        self, holders: Mapping[Place, Holder], foreign: Mapping[str, FailedPreconditionError], chunk: ImportChunk
    ) -> None:
        self._holders = holders
        self._foreign = foreign
        self._chunk = chunk
        # Of the drafts that are kept.
        self.claimed: dict[Place, Holder] = {}
        self.kept: list[ImportDraft] = []
        # Claims of expired bindings that a live draft wants.
        self.gives_way: set[Place] = set()

    def outcome(self, draft: ImportDraft | ImportOutcome) -> ImportOutcome:
        """What becomes of the next row."""
        if isinstance(draft, ImportOutcome):
            return draft
        binding = draft.binding
        if binding.terms.access_number in self._foreign:
            return ImportOutcome.refused(draft.row, self._foreign[binding.terms.access_number])
        is_live = not binding.terms.has_expired(self._chunk.at)
        places = places_of(draft)
        if is_live:
            for place in places:
                live_holder = self._live_holder(place)
                if live_holder:
                    return ImportOutcome.refused(draft.row, in_the_way(binding, place[1], live_holder))
        for place in places:
            if is_live:
                if place in self._holders:
                    self.gives_way.add(place)
                self.claimed[place] = Holder(binding.binding_id, True)
                if self._chunk.dry_run:
                    self._chunk.taken[place] = binding.binding_id
            elif place not in self._holders:
                self.claimed.setdefault(place, Holder(binding.binding_id, False))
        self.kept.append(draft)
        return ImportOutcome(draft.row, binding.binding_id)

    def _live_holder(self, place: Place) -> str:
        """The live binding that has a claim; empty: none."""
        for holder in (self._holders.get(place), self.claimed.get(place)):
            if holder is not None and holder.live:
                return holder.binding_id
        return self._chunk.taken.get(place, "")


def places_of(draft: ImportDraft) -> list[Place]:
    """What a draft claims."""
    terms = draft.binding.terms
    return [(terms.access_number, number) for number in terms.claims()]


def none_stored(outcomes: Sequence[ImportOutcome]) -> list[ImportOutcome]:
    """The outcomes of rows of which all or none are stored, when some of them are refused."""
    return [each if each.is_refused else ImportOutcome(each.row, error=NOT_STORED) for each in outcomes]
