"""The attributes of a call that the platform is told in an answer."""

from dataclasses import dataclass, fields

from common.prompts import Prompt
from common.protocol_codes import ConnectionType, RecordType, RingbackMode


@dataclass(frozen=True, slots=True)
class CallProfile:
    """Attributes of a call; None leaves a field to the next profile, and in the end to the platform."""

    charge_ext: str | None = None
    client_id: str | None = None
    caller_prompt: Prompt | None = None
    user_data: str | None = None
    max_duration_seconds: int | None = None
    record_type: RecordType | None = None
    warning_duration_seconds: int | None = None
    warning_prompt: Prompt | None = None
    connection_type: ConnectionType | None = None
    ringback_mode: RingbackMode | None = None
    ringback_prompt: Prompt | None = None

    def over(self, defaults: "CallProfile") -> "CallProfile":
        """This profile, with what it leaves open taken from `defaults`."""
        if defaults == EMPTY_PROFILE:
            return self
        if self == EMPTY_PROFILE:
            return defaults
        return CallProfile(
            **{
                name: own if (own := getattr(self, name)) is not None else getattr(defaults, name)
                for name in PROFILE_FIELDS
            }
        )


PROFILE_FIELDS = tuple(field.name for field in fields(CallProfile))
EMPTY_PROFILE = CallProfile()


@dataclass(frozen=True, slots=True)
class MemberPrompts:
    """What a called member, or the one who waits for it, is played; None: nothing."""

    answer_prompt: Prompt | None = None
    disconnect_prompt: Prompt | None = None
    fail_prompt: Prompt | None = None


NO_MEMBER_PROMPTS = MemberPrompts()
MEMBER_PROMPT_FIELDS = tuple(field.name for field in fields(MemberPrompts))
