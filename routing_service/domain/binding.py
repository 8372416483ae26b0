"""A number relationship: on access number X of a tenant, who reaches whom."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from routing_service.domain.profile import EMPTY_PROFILE, NO_MEMBER_PROMPTS, CallProfile, MemberPrompts

# Claimed by a binding that serves every caller of its access number.
EVERY_CALLER = ""


class BindingKind(Enum):
    """Which relationship a binding is."""

    AXB = "AXB"
    AX = "AX"


@dataclass(frozen=True, slots=True)
class BindingTerms:
    """What a binding says; everything that its owner writes.

    Numbers are in normal form once the terms were checked (`binding_rules.checked_terms`), and empty where the kind has
    none. AXB: `a_number` and `b_number` reach each other, with `one_way` only A reaches B. AX: everyone reaches
    `a_number`, who reaches `callback_number`. An empty `display_number` shows the access number. In force from
    `not_before` on and until just before `expires_at`.
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

    def has_expired(self, now: datetime) -> bool:
        """Whether its end has come. What has expired stands in nobody's way; what has not begun yet does."""
        return self.expires_at is not None and self.expires_at <= now

    def has_begun(self, now: datetime) -> bool:
        """Whether its beginning has come."""
        return self.not_before is None or self.not_before <= now

    def in_force(self, now: datetime) -> bool:
        """Whether calls at this time may use it."""
        return self.has_begun(now) and not self.has_expired(now)

    def claims(self) -> tuple[str, ...]:
        """The callers that it takes for itself on its access number: no other live binding there may claim the same.

        Numbers in normal form, or EVERY_CALLER. Whoever looks for the binding of a caller finds it by these.
        """
        if self.kind is BindingKind.AXB:
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
