"""A number relationship: on access number X of a tenant, who reaches whom."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from routing_service.domain.profile import EMPTY_PROFILE, NO_MEMBER_PROMPTS, CallProfile, MemberPrompts
from routing_service.domain.schedule import WeeklySchedule

# Claimed by a binding that serves every caller of its access number.
EVERY_CALLER = ""


class BindingKind(Enum):
    """Which relationship a binding is."""

    AXB = "AXB"
    AX = "AX"
    AXG = "AXG"
    AXE = "AXE"
    AXYB = "AXYB"

    # There is one object per member. Enum's own hash is a Python function.
    __hash__ = object.__hash__


# Kinds that are about two callers. All others serve every caller of their access number.
PAIR_KINDS = frozenset({BindingKind.AXB, BindingKind.AXYB})


class HuntStrategy(Enum):
    """In which order the members of a group are tried."""

    SEQUENTIAL = "sequential"
    ROUND_ROBIN = "round_robin"
    LONGEST_IDLE = "longest_idle"


@dataclass(frozen=True, slots=True)
class BindingTarget:
    """A number to call, with what belongs to it alone: empty and no prompts at all mean what the binding says."""

    number: str
    display_number: str = ""
    member_prompts: MemberPrompts = NO_MEMBER_PROMPTS


@dataclass(frozen=True, slots=True)
class BindingTerms:
    """What a binding says; everything that its owner writes.

    Numbers are in normal form once the terms were checked (`binding_rules.checked_terms`), and empty where the kind has
    none. AXB and AXYB: `a_number` and `b_number` reach each other, with `one_way` only A reaches B; `targets` are tried
    after B. AX and AXE: everyone reaches `a_number` and then `targets`; the owner reaches `callback_number`, or the
    last caller. AXG: everyone reaches `targets`, at most `max_members` of them where that is not 0. An empty
    `display_number` shows the access number, of an AXYB `y_number`. In force from `not_before` on and until just before
    `expires_at`, while the `schedule` is open.
    """

    kind: BindingKind
    access_number: str
    a_number: str
    b_number: str = ""
    callback_number: str = ""
    display_number: str = ""
    member_prompts: MemberPrompts = NO_MEMBER_PROMPTS
    profile: CallProfile = EMPTY_PROFILE
    not_before: datetime | None = None
    expires_at: datetime | None = None
    one_way: bool = False
    targets: tuple[BindingTarget, ...] = ()
    hunt_strategy: HuntStrategy = HuntStrategy.SEQUENTIAL
    max_members: int = 0
    extension: str = ""
    y_number: str = ""
    schedule: WeeklySchedule | None = None
    callback_to_last_caller: bool = False

    def has_expired(self, now: datetime) -> bool:
        """Whether its end has come. What has expired stands in nobody's way; what has not begun yet does."""
        return self.expires_at is not None and self.expires_at <= now

    def has_begun(self, now: datetime) -> bool:
        """Whether its beginning has come."""
        return self.not_before is None or self.not_before <= now

    def in_force(self, now: datetime) -> bool:
        """Whether calls at this time may use it."""
        return self.has_begun(now) and not self.has_expired(now) and self.is_open(now)

    def is_open(self, now: datetime) -> bool:
        """Whether its schedule allows it at this time."""
        return self.schedule is None or self.schedule.is_open(now)

    def claims(self) -> tuple[str, ...]:
        """The callers that it takes for itself on its access number: no other live binding there may claim the same.

        Numbers in normal form, or EVERY_CALLER. Whoever looks for the binding of a caller finds it by these.
        """
        if self.kind in PAIR_KINDS:
            return (self.a_number, self.b_number)
        return (EVERY_CALLER,)


@dataclass(frozen=True, slots=True)
class Binding:
    """A stored relationship. `revision` grows by one with every change, from 1."""

    binding_id: str
    tenant_id: str
    terms: BindingTerms
    revision: int
    created_at: datetime
    updated_at: datetime
