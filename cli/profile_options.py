"""Options for everything that a call profile and a member's prompts can say."""

from dataclasses import dataclass
from typing import Annotated

import typer
from axbridge.routing.v1 import binding_pb2, call_profile_pb2

from cli.values import INT32_MAX, Choice, enum_word, parse_prompt_option, prompt_text

PANEL = "Call profile"
PROMPT_PANEL = "Prompts for the callee"


class RecordTypeChoice(Choice):
    NONE = "none"
    AT_ONCE = "at-once"
    AFTER_ANSWER = "after-answer"


class ConnectionTypeChoice(Choice):
    CONFERENCE = "conference"
    BRIDGE = "bridge"


class RingbackModeChoice(Choice):
    LOCAL = "local"
    PASS_THROUGH = "pass-through"  # noqa: S105 - it is a way to ring, no password


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """Options: the attributes of a call. What is not given falls back to the tenant's defaults."""

    charge_ext: Annotated[str | None, typer.Option(help="Billing extension.", rich_help_panel=PANEL)] = None
    client_id: Annotated[
        str | None, typer.Option(help="Your id, comes back in every event.", rich_help_panel=PANEL)
    ] = None
    caller_prompt: Annotated[
        str | None,
        typer.Option(metavar="PROMPT", help="Played to the caller: a file, or <msg>…</msg>.", rich_help_panel=PANEL),
    ] = None
    user_data: Annotated[
        str | None, typer.Option(help="Business data, comes back in every event.", rich_help_panel=PANEL)
    ] = None
    max_duration: Annotated[
        int | None,
        typer.Option(
            min=0, max=INT32_MAX, help="Longest talk in seconds; 0: the platform's maximum.", rich_help_panel=PANEL
        ),
    ] = None
    record_type: Annotated[
        RecordTypeChoice | None, typer.Option(help="When recording starts.", rich_help_panel=PANEL)
    ] = None
    warning_duration: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=INT32_MAX,
            help="Seconds left at which the two are warned; 0: never.",
            rich_help_panel=PANEL,
        ),
    ] = None
    warning_prompt: Annotated[
        str | None, typer.Option(metavar="PROMPT", help="Played as that warning.", rich_help_panel=PANEL)
    ] = None
    conn_type: Annotated[
        ConnectionTypeChoice | None, typer.Option(help="How the two are joined.", rich_help_panel=PANEL)
    ] = None
    ringback_mode: Annotated[
        RingbackModeChoice | None, typer.Option(help="Whose ringback the caller hears.", rich_help_panel=PANEL)
    ] = None
    ringback_prompt: Annotated[
        str | None,
        typer.Option(metavar="PROMPT", help="Played as ringback; only with local ringback.", rich_help_panel=PANEL),
    ] = None

    def fill(self, profile: call_profile_pb2.CallProfile) -> list[str]:
        """Write what was given into `profile`; the names of the fields that were set."""
        set_fields: list[str] = []
        plain: dict[str, str | int | None] = {
            "charge_ext": self.charge_ext,
            "client_id": self.client_id,
            "user_data": self.user_data,
            "max_duration_seconds": self.max_duration,
            "warning_duration_seconds": self.warning_duration,
        }
        for name, value in plain.items():
            if value is not None:
                setattr(profile, name, value)
                set_fields.append(name)
        prompts = {
            "caller_prompt": self.caller_prompt,
            "warning_prompt": self.warning_prompt,
            "ringback_prompt": self.ringback_prompt,
        }
        for name, text in prompts.items():
            if text is not None:
                getattr(profile, name).CopyFrom(parse_prompt_option(text, "--" + name.replace("_", "-")))
                set_fields.append(name)
        return set_fields + self._fill_choices(profile)

    def _fill_choices(self, profile: call_profile_pb2.CallProfile) -> list[str]:
        set_fields: list[str] = []
        if self.record_type is not None:
            recorded = self.record_type.enum_name("RECORD_TYPE_")
            profile.MergeFrom(call_profile_pb2.CallProfile(record_type=recorded))
            set_fields.append("record_type")
        if self.conn_type is not None:
            joined = self.conn_type.enum_name("CONNECTION_TYPE_")
            profile.MergeFrom(call_profile_pb2.CallProfile(connection_type=joined))
            set_fields.append("connection_type")
        if self.ringback_mode is not None:
            heard = self.ringback_mode.enum_name("RINGBACK_MODE_")
            profile.MergeFrom(call_profile_pb2.CallProfile(ringback_mode=heard))
            set_fields.append("ringback_mode")
        return set_fields


@dataclass(frozen=True, slots=True)
class MemberPromptOptions:
    """Options: what the callee hears."""

    answer_prompt: Annotated[
        str | None, typer.Option(metavar="PROMPT", help="Played to the callee on answer.", rich_help_panel=PROMPT_PANEL)
    ] = None
    disconnect_prompt: Annotated[
        str | None,
        typer.Option(metavar="PROMPT", help="Played when the other side hangs up.", rich_help_panel=PROMPT_PANEL),
    ] = None
    fail_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="PROMPT",
            help="Played to the caller when the callee can't be reached.",
            rich_help_panel=PROMPT_PANEL,
        ),
    ] = None

    def fill(self, prompts: binding_pb2.MemberPrompts) -> list[str]:
        """Write what was given into `prompts`; the names of the fields that were set."""
        given = {
            "answer_prompt": self.answer_prompt,
            "disconnect_prompt": self.disconnect_prompt,
            "fail_prompt": self.fail_prompt,
        }
        set_fields = [name for name, text in given.items() if text is not None]
        for name, text in given.items():
            if text is not None:
                getattr(prompts, name).CopyFrom(parse_prompt_option(text, "--" + name.replace("_", "-")))
        return set_fields


def profile_facts(profile: call_profile_pb2.CallProfile) -> dict[str, str]:
    """A profile for people: what is set in it."""
    facts: dict[str, str] = {}
    if profile.HasField("charge_ext"):
        facts["charge extension"] = profile.charge_ext or "(empty)"
    if profile.HasField("client_id"):
        facts["client id"] = profile.client_id
    if profile.HasField("user_data"):
        facts["user data"] = profile.user_data
    if profile.HasField("max_duration_seconds"):
        seconds = profile.max_duration_seconds
        facts["longest talk"] = f"{seconds} s" if seconds else "the platform's maximum"
    if profile.HasField("warning_duration_seconds"):
        facts["warning"] = f"{profile.warning_duration_seconds} s before the end"
    facts["recording"] = enum_word(call_profile_pb2.RecordType.Name(profile.record_type), "RECORD_TYPE_")
    facts["connection"] = enum_word(call_profile_pb2.ConnectionType.Name(profile.connection_type), "CONNECTION_TYPE_")
    facts["ringback"] = enum_word(call_profile_pb2.RingbackMode.Name(profile.ringback_mode), "RINGBACK_MODE_")
    for name in ("caller_prompt", "warning_prompt", "ringback_prompt"):
        if profile.HasField(name):
            facts[name.replace("_", " ")] = prompt_text(getattr(profile, name))
    return {name: text for name, text in facts.items() if text}


def member_prompt_facts(prompts: binding_pb2.MemberPrompts) -> dict[str, str]:
    """A member's prompts for people."""
    names = ("answer_prompt", "disconnect_prompt", "fail_prompt")
    return {name.replace("_", " "): prompt_text(getattr(prompts, name)) for name in names if prompts.HasField(name)}
