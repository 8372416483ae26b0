"""Values for the routing tests. Numbers are in normal form unless a name says otherwise."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.prompts import FileSegment, Prompt, VariableSegment
from common.protocol_codes import ConnectionType, PromptVariableType, RecordType, RingbackMode
from routing_service.domain.binding import Binding, BindingKind, BindingTarget, BindingTerms
from routing_service.domain.number_list import (
    NumberListAction,
    NumberListEntry,
    NumberListTerms,
    NumberPatternType,
)
from routing_service.domain.profile import CallProfile, MemberPrompts
from routing_service.domain.tenant import Tenant, TenantSettings

NOW = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TENANT, OTHER_TENANT = "100001", "100002"
X, X2 = "+862566000001", "+862566000002"
Y = "+862566000009"
A, B, C, D = "+8613800001111", "+8613900001111", "+8613700001111", "+8613600001111"

FILE_PROMPT = Prompt((FileSegment("1.wav"),))
SPOKEN_PROMPT = Prompt(
    (
        FileSegment("2.wav"),
        VariableSegment(PromptVariableType.TEXT, "你好 <A&B>"),
        FileSegment("3.wav"),
        VariableSegment(PromptVariableType.PRICE, "0001234"),
    )
)
FULL_PROFILE = CallProfile(
    charge_ext="8001",
    client_id="order-1",
    caller_prompt=SPOKEN_PROMPT,
    user_data="line 1\nline 2\t{}",
    max_duration_seconds=600,
    record_type=RecordType.AFTER_ANSWER,
    warning_duration_seconds=60,
    warning_prompt=FILE_PROMPT,
    connection_type=ConnectionType.BRIDGE,
    ringback_mode=RingbackMode.LOCAL,
    ringback_prompt=FILE_PROMPT,
)
FULL_MEMBER_PROMPTS = MemberPrompts(FILE_PROMPT, SPOKEN_PROMPT, FILE_PROMPT)


class FakeClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.current = now
        self.elapsed = 0.0

    def now(self) -> datetime:
        return self.current

    def monotonic(self) -> float:
        return self.elapsed

    def advance(self, delta: timedelta) -> None:
        self.current += delta
        self.elapsed += delta.total_seconds()


def axb(a: str = A, b: str = B, x: str = X, **terms: Any) -> BindingTerms:
    return replace(BindingTerms(BindingKind.AXB, x, a, b), **terms)


def ax(owner: str = A, x: str = X, **terms: Any) -> BindingTerms:
    return replace(BindingTerms(BindingKind.AX, x, owner), **terms)


def axg(members: Sequence[str], x: str = X, **terms: Any) -> BindingTerms:
    targets = tuple(BindingTarget(each) for each in members)
    return replace(BindingTerms(BindingKind.AXG, x, "", targets=targets), **terms)


def axe(owner: str = A, extension: str = "8001", x: str = X, **terms: Any) -> BindingTerms:
    return replace(BindingTerms(BindingKind.AXE, x, owner, extension=extension), **terms)


def axyb(a: str = A, b: str = B, x: str = X, y: str = Y, **terms: Any) -> BindingTerms:
    return replace(BindingTerms(BindingKind.AXYB, x, a, b, y_number=y), **terms)


def list_entry(
    pattern: str,
    action: NumberListAction = NumberListAction.BLOCK,
    *,
    prefix: bool = False,
    x: str = "",
    entry_id: str = "",
    tenant_id: str = TENANT,
    at: datetime = NOW,
    expires_at: datetime | None = None,
) -> NumberListEntry:
    pattern_type = NumberPatternType.PREFIX if prefix else NumberPatternType.EXACT
    terms = NumberListTerms(x, action, pattern_type, pattern, expires_at=expires_at)
    return NumberListEntry(entry_id or f"{action.value}-{pattern_type.value}-{x}-{pattern}", tenant_id, terms, at)


def stored(
    terms: BindingTerms, binding_id: str = "b1", tenant_id: str = TENANT, at: datetime = NOW, revision: int = 1
) -> Binding:
    return Binding(binding_id, tenant_id, terms, revision, at, at)


def tenant(tenant_id: str = TENANT, **settings: Any) -> Tenant:
    return Tenant(tenant_id, TenantSettings(**settings))
