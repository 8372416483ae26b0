"""What is remembered means the same when it is read."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from common.numbers import DialingFormat
from routing_service.cache.documents import (
    candidates_document,
    read_candidates,
    read_tenant_document,
    tenant_document,
)
from routing_service.domain.binding import Binding, BindingTerms
from routing_service.domain.decision import NOTHING_KNOWN, Candidates, DecisionSource
from routing_service.domain.number_list import (
    NumberListAction,
    NumberListEntry,
    NumberListTerms,
    NumberPatternType,
)
from routing_service.domain.profile import EMPTY_PROFILE
from routing_service.domain.tenant import JsonListStyle, PromptStyle, ResponseStyle, Tenant, TenantSettings
from tests.unit.routing_service.builders import (
    FILE_PROMPT,
    FULL_MEMBER_PROMPTS,
    FULL_PROFILE,
    NOW,
    SPOKEN_PROMPT,
    TENANT,
    A,
    B,
    C,
    X,
    ax,
    axb,
    stored,
    tenant,
)

LIST_TERMS = NumberListTerms(X, NumberListAction.BLOCK, NumberPatternType.PREFIX, "+86138", "a note", NOW)
ENTRY = NumberListEntry("e1", TENANT, LIST_TERMS, NOW)
OPEN_ENTRY = NumberListEntry("e2", TENANT, NumberListTerms("", NumberListAction.ALLOW, NumberPatternType.EXACT, A), NOW)
FULL_BINDING = stored(
    axb(
        A,
        B,
        display_number=C,
        one_way=True,
        member_prompts=FULL_MEMBER_PROMPTS,
        profile=FULL_PROFILE,
        not_before=NOW,
        expires_at=NOW + timedelta(days=1),
    ),
    revision=7,
)


@pytest.mark.parametrize(
    "candidates",
    [
        NOTHING_KNOWN,
        Candidates(access_number_known=True),
        Candidates(True, (FULL_BINDING, stored(ax(A, callback_number=C), "b2"))),
        Candidates(True, (stored(axb()),), list_entries=(ENTRY, OPEN_ENTRY)),
    ],
)
def test_candidates_come_back_as_from_the_cache(candidates: Candidates) -> None:
    assert read_candidates(candidates_document(candidates)) == replace(candidates, source=DecisionSource.CACHE)


def test_no_field_of_candidates_is_forgotten() -> None:
    assert {each.name for each in fields(Candidates)} == {
        "access_number_known",
        "bindings",
        "source",
        "list_entries",
    }, "a new field needs its place in the document, and FORMAT a new number"


@pytest.mark.parametrize(
    "settings",
    [
        TenantSettings(),
        TenantSettings(
            display_name="企业 <1>",
            response_style=ResponseStyle("resp", JsonListStyle.PLAIN, PromptStyle.NESTED),
            default_region="HK",
            dialing_format=DialingFormat.E164,
            default_profile=FULL_PROFILE,
            failure_prompts={"1004": FILE_PROMPT, "default": SPOKEN_PROMPT},
            callback_url="https://example.com/events",
            local_mobile_prefixes=("1380000", "139"),
        ),
    ],
)
def test_tenants_come_back_as_they_were(settings: TenantSettings) -> None:
    known = Tenant(TENANT, settings, 3)

    assert read_tenant_document(tenant_document(known)) == known


def test_the_absence_of_a_tenant_comes_back_too() -> None:
    assert read_tenant_document(tenant_document(None)) is None


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"{}",
        b'{"known": true}',
        b'{"known": true, "bindings": [{}], "list_entries": []}',
        b'{"known": true, "bindings": 1, "list_entries": []}',
        b'{"known": true, "bindings": [], "list_entries": [[1]]}',
    ],
)
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError):
        read_candidates(document)
    if b"known" not in document:
        with pytest.raises(ValueError):
            read_tenant_document(document)


def test_a_kind_of_a_later_version_is_refused() -> None:
    document = candidates_document(Candidates(True, (stored(axb()),)))
    with pytest.raises(ValueError, match="candidates"):
        read_candidates(document.replace(b'"AXB"', b'"AXQ"'))


def _is_set(value: Any) -> bool:
    return value not in (None, "", False, (), EMPTY_PROFILE, tenant().settings)


def test_the_full_binding_is_full() -> None:
    terms = FULL_BINDING.terms
    own_to_other_kinds = {
        "callback_number",
        "targets",
        "max_members",
        "extension",
        "y_number",
        "schedule",
        "callback_to_last_caller",
    }
    unset = {each.name for each in fields(BindingTerms) if not _is_set(getattr(terms, each.name))}

    assert unset <= own_to_other_kinds
    assert isinstance(FULL_BINDING, Binding)
