"""Values for the routing tests. Numbers are in normal form unless a name says otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.prompts import FileSegment, Prompt, VariableSegment
from common.protocol_codes import ConnectionType, PromptVariableType, RecordType, RingbackMode
from routing_service.domain.binding import Binding, BindingKind, BindingTerms
from routing_service.domain.profile import CallProfile, MemberPrompts
from routing_service.domain.tenant import Tenant, TenantSettings

NOW = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TENANT, OTHER_TENANT = "100001", "100002"
X, X2 = "+862566000001", "+862566000002"
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


def stored(
    terms: BindingTerms, binding_id: str = "b1", tenant_id: str = TENANT, at: datetime = NOW, revision: int = 1
) -> Binding:
    return Binding(binding_id, tenant_id, terms, revision, at, at)


def tenant(tenant_id: str = TENANT, **settings: Any) -> Tenant:
    return Tenant(tenant_id, TenantSettings(**settings))
