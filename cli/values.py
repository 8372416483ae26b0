"""Values as people type them: moments, durations, prompts, choices."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import typer
from axbridge.routing.v1 import prompt_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import InvalidArgumentError
from common.prompts import FileSegment, Prompt, parse_prompt
from common.protocol_codes import PromptVariableType

# The largest number of most of the contracts' fields.
INT32_MAX = 2**31 - 1
# Of ids and revisions.
INT64_MAX = 2**63 - 1
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

_VARIABLE_TYPES = {
    PromptVariableType.INTEGER: prompt_pb2.PROMPT_VARIABLE_TYPE_INTEGER,
    PromptVariableType.DIGITS: prompt_pb2.PROMPT_VARIABLE_TYPE_DIGITS,
    PromptVariableType.TIME: prompt_pb2.PROMPT_VARIABLE_TYPE_TIME,
    PromptVariableType.DATE: prompt_pb2.PROMPT_VARIABLE_TYPE_DATE,
    PromptVariableType.PRICE: prompt_pb2.PROMPT_VARIABLE_TYPE_PRICE,
    PromptVariableType.DURATION: prompt_pb2.PROMPT_VARIABLE_TYPE_DURATION,
    PromptVariableType.TEXT: prompt_pb2.PROMPT_VARIABLE_TYPE_TEXT,
}
_VARIABLE_CODES = {value: key for key, value in _VARIABLE_TYPES.items()}


def parse_moment(text: str, option: str) -> datetime:
    """A moment in ISO 8601, in local time where no offset is given. Raises typer.BadParameter naming the option."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            "a time such as 2026-03-01T08:00 or 2026-03-01T08:00+08:00 is expected", param_hint=option
        ) from error


def parse_duration(text: str, option: str) -> timedelta:
    """A span such as 90s, 30m, 2h30m or 7d. Raises typer.BadParameter naming the option."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise typer.BadParameter("a duration such as 90s, 30m, 2h30m or 7d is expected", param_hint=option)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError as error:
        raise typer.BadParameter("that is longer than can be counted", param_hint=option) from error


def parse_span_from_now(text: str, option: str) -> datetime:
    """The moment that is a span such as 7d away. Raises typer.BadParameter naming the option."""
    try:
        return datetime.now(UTC) + parse_duration(text, option)
    except OverflowError as error:
        raise typer.BadParameter("that reaches beyond the calendar", param_hint=option) from error


def countable(number: int) -> int:
    """A number that the contracts have room for. Raises typer.BadParameter."""
    if number > INT64_MAX:
        raise typer.BadParameter("that is more than can be counted")
    return number


def to_timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def parse_prompt_option(text: str, option: str) -> prompt_pb2.Prompt:
    """A prompt as it goes over the wire: a file name or a `<msg>` document. Raises typer.BadParameter."""
    try:
        prompt = parse_prompt(text, option)
    except InvalidArgumentError as error:
        raise typer.BadParameter(
            f"{error.message}: a file name, or <msg><file>1.wav</file><var>7_text</var></msg>, is expected"
        ) from error
    return prompt_message(prompt)


def prompt_message(prompt: Prompt) -> prompt_pb2.Prompt:
    message = prompt_pb2.Prompt()
    for segment in prompt.segments:
        if isinstance(segment, FileSegment):
            message.segments.add(file=segment.name)
        else:
            variable = prompt_pb2.PromptVariable(type=_VARIABLE_TYPES[segment.type], value=segment.value)
            message.segments.add(variable=variable)
    return message


def prompt_text(prompt: prompt_pb2.Prompt) -> str:
    """A prompt for people: what is played, in order."""
    parts = []
    for segment in prompt.segments:
        if segment.HasField("file"):
            parts.append(segment.file)
        else:
            code = _VARIABLE_CODES.get(segment.variable.type)
            parts.append(f"{code.english if code is not None else 'variable'} “{segment.variable.value}”")
    return " + ".join(parts)


def enum_word(name: str, prefix: str) -> str:
    """`RECORD_TYPE_AT_ONCE` with the prefix `RECORD_TYPE_` → `at-once`; empty for UNSPECIFIED."""
    word = name.removeprefix(prefix).lower().replace("_", "-")
    return "" if word == "unspecified" else word


class Choice(StrEnum):
    """A choice on the command line: its value is what is typed."""

    def enum_name(self, prefix: str) -> str:
        """The contract's name for it: `at-once` with the prefix `RECORD_TYPE_` → `RECORD_TYPE_AT_ONCE`."""
        return prefix + self.value.upper().replace("-", "_")
