"""Code of two versions shares a cache during an update: what the documents look like belongs to the number FORMAT.

`format_N.json` holds the documents of version N, of values in which every field is set. A change of the documents needs
the next FORMAT and a file of its own; the file of a FORMAT that was released is never changed.
"""

import json
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from common.numbers import DialingFormat
from routing_service.cache.documents import candidates_document, tenant_document
from routing_service.cache.redis_cache import FORMAT
from routing_service.domain.binding import BindingTarget, BindingTerms, HuntStrategy
from routing_service.domain.decision import Candidates
from routing_service.domain.number_list import (
    NumberListAction,
    NumberListEntry,
    NumberListTerms,
    NumberPatternType,
)
from routing_service.domain.schedule import WeeklyHours, WeeklySchedule
from routing_service.domain.tenant import JsonListStyle, PromptStyle, ResponseStyle, Tenant, TenantSettings
from tests.unit.routing_service.builders import (
    FILE_PROMPT,
    FULL_MEMBER_PROMPTS,
    FULL_PROFILE,
    NOW,
    SPOKEN_PROMPT,
    TENANT,
    X2,
    A,
    B,
    C,
    D,
    X,
    Y,
    axe,
    axg,
    axyb,
    stored,
)

SCHEDULE = WeeklySchedule("Asia/Shanghai", (WeeklyHours((1, 2), 540, 1080),), frozenset({date(2026, 10, 1)}))
TARGETS = (BindingTarget(C, X2, FULL_MEMBER_PROMPTS), BindingTarget(D))
# Between them each field of BindingTerms is set.
BINDINGS = (
    stored(
        axyb(
            A,
            B,
            y=Y,
            one_way=True,
            member_prompts=FULL_MEMBER_PROMPTS,
            profile=FULL_PROFILE,
            not_before=NOW,
            expires_at=NOW + timedelta(days=1),
            schedule=SCHEDULE,
            targets=TARGETS,
        ),
        revision=7,
    ),
    stored(axe(A, "8001", callback_number=B, callback_to_last_caller=True, display_number=X2), "b2"),
    stored(axg([A, B], hunt_strategy=HuntStrategy.LONGEST_IDLE, max_members=1), "b3"),
)
ENTRIES = (
    NumberListEntry(
        "e1",
        TENANT,
        NumberListTerms(X, NumberListAction.BLOCK, NumberPatternType.PREFIX, "+86138", "a note", NOW),
        NOW,
    ),
    NumberListEntry("e2", TENANT, NumberListTerms("", NumberListAction.ALLOW, NumberPatternType.EXACT, A), NOW),
)
SETTINGS = TenantSettings(
    display_name="企业 <1>",
    response_style=ResponseStyle("resp", JsonListStyle.PLAIN, PromptStyle.NESTED),
    default_region="HK",
    dialing_format=DialingFormat.E164,
    default_profile=FULL_PROFILE,
    failure_prompts={"1004": FILE_PROMPT, "default": SPOKEN_PROMPT},
    callback_url="https://example.com/events",
    local_mobile_prefixes=("1380000", "139"),
    fallback_number=B,
    foreign_display_numbers_allowed=True,
)


def documents() -> dict[str, Any]:
    return {
        "candidates": json.loads(candidates_document(Candidates(True, BINDINGS, list_entries=ENTRIES))),
        "tenant": json.loads(tenant_document(Tenant(TENANT, SETTINGS, 3))),
        "no_tenant": json.loads(tenant_document(None)),
    }


def test_documents_change_with_their_number_only() -> None:
    file = Path(__file__).parent / f"format_{FORMAT}.json"

    assert documents() == json.loads(file.read_text(encoding="utf-8")), (
        "cached documents look different: give redis_cache.FORMAT the next number, and write them to a file of its own"
    )


def test_every_field_is_in_the_documents() -> None:
    plain = BindingTerms(BINDINGS[0].terms.kind, "", "")
    never_set = {
        each.name
        for each in fields(BindingTerms)
        if each.name != "kind"
        and all(getattr(binding.terms, each.name) == getattr(plain, each.name) for binding in BINDINGS)
    }
    default = TenantSettings()
    unset = {
        each.name for each in fields(TenantSettings) if getattr(SETTINGS, each.name) == getattr(default, each.name)
    }

    assert (never_set, unset) == (set(), set())
