"""Update masks, expected revisions and page tokens."""

import pytest

from common.errors import AbortedError, InvalidArgumentError
from routing_service.domain.profile import CallProfile
from routing_service.patch import check_paths, check_revision, patched
from routing_service.service.bindings import CHANGEABLE_FIELDS
from routing_service.service.paging import page_limit, page_token, read_page_token
from tests.unit.routing_service.builders import FILE_PROMPT, FULL_MEMBER_PROMPTS, FULL_PROFILE, C, axb

CURRENT = axb(profile=FULL_PROFILE)


def test_a_field_replaces_as_a_whole() -> None:
    changed = patched(CURRENT, axb(a=C, profile=CallProfile(charge_ext="1")), ["a_number", "profile"])

    assert changed == axb(a=C, profile=CallProfile(charge_ext="1"))


def test_a_field_below_changes_alone() -> None:
    new = axb(profile=CallProfile(max_duration_seconds=5), member_prompts=FULL_MEMBER_PROMPTS)
    paths = ["profile.max_duration_seconds", "profile.caller_prompt", "member_prompts.answer_prompt"]
    changed = patched(CURRENT, new, paths)

    assert changed.profile.max_duration_seconds == 5
    assert changed.profile.caller_prompt is None, "named in the mask and not set: cleared"
    assert changed.profile.client_id == FULL_PROFILE.client_id
    assert changed.member_prompts.answer_prompt == FILE_PROMPT
    assert changed.member_prompts.disconnect_prompt is None


@pytest.mark.parametrize(
    "path",
    [
        "kind",
        "tenant_id",
        "binding_id",
        "revision",
        "created_at",
        "",
        "*",
        "profile.",
        "profile.nothing",
        "profile.caller_prompt.segments",
        "a_number.x",
        "Profile",
    ],
)
def test_paths_that_can_not_be_changed(path: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        check_paths(["a_number", path], CHANGEABLE_FIELDS)
    assert error.value.field == "update_mask"


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        check_paths([], CHANGEABLE_FIELDS)


def test_expected_revision() -> None:
    check_revision(3, 0)
    check_revision(3, 3)
    with pytest.raises(AbortedError) as error:
        check_revision(3, 2)
    assert error.value.metadata == {"revision": "3"}
    with pytest.raises(InvalidArgumentError):
        check_revision(3, -1)


def test_page_sizes() -> None:
    assert [page_limit(size) for size in (0, 1, 1000)] == [100, 1, 1000]
    for size in (-1, 1001):
        with pytest.raises(InvalidArgumentError):
            page_limit(size)


def test_a_token_keeps_its_position() -> None:
    token = page_token((123, "b1"), ("bindings", "100001"))

    assert read_page_token(token, ("bindings", "100001"), (int, str)) == [123, "b1"]


@pytest.mark.parametrize("token", ["!", "é", "abc", "bnVsbA", "W10", page_token(("x", "b1"), ("bindings", "100001"))])
def test_a_token_that_is_none(token: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        read_page_token(token, ("bindings", "100001"), (int, str))
    assert error.value.field == "page_token"


def test_a_token_of_another_list() -> None:
    token = page_token((123, "b1"), ("bindings", "100001"))
    with pytest.raises(InvalidArgumentError):
        read_page_token(token, ("bindings", "100002"), (int, str))
