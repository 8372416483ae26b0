import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidArgumentError
from common.prompts import FileSegment, Prompt, Segment, VariableSegment, checked_prompt, parse_prompt
from common.protocol_codes import PromptVariableType

EXAMPLE = "<msg><file>1.wav</file><var>7_你好</var><file>2.wav</file></msg>"


def test_the_order_of_files_and_variables_is_kept_both_ways() -> None:
    prompt = parse_prompt(EXAMPLE, "caller_prompt")
    assert prompt.segments == (
        FileSegment("1.wav"),
        VariableSegment(PromptVariableType.TEXT, "你好"),
        FileSegment("2.wav"),
    )
    assert prompt.to_wire() == EXAMPLE


def test_a_single_file_is_written_bare() -> None:
    assert parse_prompt(" welcome.wav ", "f").to_wire() == "welcome.wav"
    assert parse_prompt("<msg><file>welcome.wav</file></msg>", "f").to_wire() == "welcome.wav"


def test_a_variable_is_split_at_its_first_underscore() -> None:
    (segment,) = parse_prompt("<msg><var>7_a_b</var></msg>", "f").segments
    assert segment == VariableSegment(PromptVariableType.TEXT, "a_b")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<msg></msg>",
        "<msg><file></file></msg>",
        "<msg><file>a</file>",
        "<other><file>a</file></other>",
        "<msg><play>a</play></msg>",
        "<msg><file><b>a</b></file></msg>",
        "<msg><var>你好</var></msg>",
        "<msg><var>8_x</var></msg>",
        "<msg><var>1_x</var></msg>",
        "<msg><var>2_-1</var></msg>",
        "<msg><var>3_2400</var></msg>",
        "<msg><var>4_20260230</var></msg>",
        "<msg><var>5_12.34</var></msg>",
        "<msg><var>6_000100060</var></msg>",
        "<msg><var>7_</var></msg>",
        '<!DOCTYPE msg [<!ENTITY a "b">]><msg><file>&a;</file></msg>',
        "<msg><file>" + "a" * 1001 + "</file></msg>",
        "<msg>" + "<file>a</file>" * 33 + "</msg>",
        "a\x00b",
        "<msg>" * 10_000,
    ],
)
def test_what_can_not_be_played_is_refused_by_name(document: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        parse_prompt(document, "binding.profile.caller_prompt")
    assert refusal.value.field.startswith("binding.profile.caller_prompt")


@pytest.mark.parametrize("value", ["1_-12", "2_007", "3_2359", "4_20280229", "5_0001234", "6_000100559", "7_a&b<c"])
def test_every_variable_type_is_accepted(value: str) -> None:
    escaped = value.replace("&", "&amp;").replace("<", "&lt;")
    assert parse_prompt(f"<msg><var>{escaped}</var></msg>", "f").to_wire() == f"<msg><var>{escaped}</var></msg>"


_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=30)
_SEGMENTS = st.lists(
    st.one_of(
        _TEXT.map(str.strip).filter(lambda name: name and not name.startswith("<")).map(FileSegment),
        _TEXT.map(lambda text: VariableSegment(PromptVariableType.TEXT, text)),
        st.integers(-(10**17), 10**17).map(lambda n: VariableSegment(PromptVariableType.INTEGER, str(n))),
    ),
    min_size=1,
    max_size=8,
)


@given(_SEGMENTS)
def test_any_prompt_survives_the_wire(segments: list[Segment]) -> None:
    prompt = checked_prompt(tuple(segments), "f")
    assert parse_prompt(prompt.to_wire(), "f") == prompt
    assert isinstance(prompt, Prompt)
