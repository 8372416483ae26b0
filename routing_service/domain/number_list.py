"""Allow and block lists: who may call a tenant's access numbers at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

# The access number of entries that are about all of a tenant's.
EVERY_ACCESS_NUMBER = ""
_ANY_TIME = datetime.min.replace(tzinfo=UTC)


class NumberListAction(Enum):
    """What an entry does with callers that match."""

    ALLOW = "allow"
    BLOCK = "block"


class NumberPatternType(Enum):
    """How a pattern is compared with a caller's normal form."""

    EXACT = "exact"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class NumberListTerms:
    """What an entry says; everything that its owner writes. `access_number` may be EVERY_ACCESS_NUMBER."""

    access_number: str
    action: NumberListAction
    pattern_type: NumberPatternType
    pattern: str
    note: str = ""
    expires_at: datetime | None = None

    def has_expired(self, now: datetime) -> bool:
        """Whether its end has come: then it counts no more, and stands in nobody's way."""
        return self.expires_at is not None and self.expires_at <= now

    def matches(self, calling_number: str) -> bool:
        """Whether it is about this caller, in normal form. Nothing is about a caller that can't be read."""
        if not calling_number:
            return False
        if self.pattern_type is NumberPatternType.EXACT:
            return calling_number == self.pattern
        return calling_number.startswith(self.pattern)


@dataclass(frozen=True, slots=True)
class NumberListEntry:
    """A stored entry. It is never changed, only replaced."""

    entry_id: str
    tenant_id: str
    terms: NumberListTerms
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListVerdict:
    """What the lists say about a caller, and the entry that says so; None where no entry matches."""

    blocked: bool
    entry: NumberListEntry | None
    reason: str


NOT_LISTED = ListVerdict(False, None, "no allow or block list is about the caller")


def entries_of_interest(entries: Sequence[NumberListEntry], calling_number: str) -> Sequence[NumberListEntry]:
    """Those of one list that match the caller, and the ALLOW entry that lasts longest, as `Candidates` holds them."""
    allows = [each for each in entries if each.terms.action is NumberListAction.ALLOW]
    lasting = max(allows, key=_ends, default=None)
    return [each for each in entries if each is lasting or each.terms.matches(calling_number)]


def _ends(entry: NumberListEntry) -> tuple[bool, datetime, str]:
    # The id decides between those that end together, so that it is the same one in every batch.
    expires_at = entry.terms.expires_at
    return expires_at is None, _ANY_TIME if expires_at is None else expires_at, entry.entry_id


def list_verdict(entries: Sequence[NumberListEntry], calling_number: str, now: datetime) -> ListVerdict:
    """What the entries decide about a caller.

    The list of the access number is asked before the one of the tenant. In a list the most special entry decides: an
    exact one before a prefix, a longer prefix before a shorter one, BLOCK before ALLOW. Where none matches, a list with
    an ALLOW entry blocks, and one without leaves it to the next list.
    """
    live = [each for each in entries if not each.terms.has_expired(now)]
    for of_tenant in (False, True):
        found = [each for each in live if (each.terms.access_number == EVERY_ACCESS_NUMBER) is of_tenant]
        whose = "tenant" if of_tenant else "access number"
        matching = [each for each in found if each.terms.matches(calling_number)]
        if matching:
            decisive = min(matching, key=_specialty)
            blocked = decisive.terms.action is NumberListAction.BLOCK
            kind = "exact" if decisive.terms.pattern_type is NumberPatternType.EXACT else "prefix"
            what = "blocks" if blocked else "allows"
            return ListVerdict(blocked, decisive, f"an entry ({kind}) in the list of the {whose} {what} the caller")
        if _holds_allow(found):
            return ListVerdict(True, None, f"the list of the {whose} allows some callers, and not this one")
    return NOT_LISTED


def _specialty(entry: NumberListEntry) -> tuple[bool, int, bool, str]:
    terms = entry.terms
    is_prefix = terms.pattern_type is NumberPatternType.PREFIX
    return is_prefix, -len(terms.pattern), terms.action is NumberListAction.ALLOW, entry.entry_id


def _holds_allow(entries: Iterable[NumberListEntry]) -> bool:
    return any(each.terms.action is NumberListAction.ALLOW for each in entries)
