"""The protocol's rules for call profiles, checked when a profile is written and never when a call comes in.

Some rules stand between fields, so they are checked on the profile as calls will use it: a binding's over its tenant's
defaults. A change of the defaults is checked against every binding of the tenant, by their `RuledFields`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from common.errors import FailedPreconditionError, InvalidArgumentError
from common.protocol_codes import ConnectionType, RecordType, RingbackMode
from routing_service.domain.profile import CallProfile

MAX_CHARGE_EXT_LENGTH = 64
MAX_CLIENT_ID_LENGTH = 128
MAX_USER_DATA_LENGTH = 2048

# What XML can't carry; tabs and newlines are business data's own affair.
_UNSENDABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_Value = TypeVar("_Value")


def _first(own: _Value | None, default: _Value | None) -> _Value | None:
    return own if own is not None else default


@dataclass(frozen=True, slots=True)
class RuledFields:
    """The part of a profile that the rules between fields look at."""

    max_duration_seconds: int | None = None
    warning_duration_seconds: int | None = None
    record_type: RecordType | None = None
    connection_type: ConnectionType | None = None
    ringback_mode: RingbackMode | None = None
    ringback_prompt: bool | None = None

    @classmethod
    def of(cls, profile: CallProfile) -> "RuledFields":
        return cls(
            profile.max_duration_seconds,
            profile.warning_duration_seconds,
            profile.record_type,
            profile.connection_type,
            profile.ringback_mode,
            True if profile.ringback_prompt is not None else None,
        )

    def over(self, defaults: "RuledFields") -> "RuledFields":
        """These fields, with what they leave open taken from `defaults`."""
        return RuledFields(
            _first(self.max_duration_seconds, defaults.max_duration_seconds),
            _first(self.warning_duration_seconds, defaults.warning_duration_seconds),
            _first(self.record_type, defaults.record_type),
            _first(self.connection_type, defaults.connection_type),
            _first(self.ringback_mode, defaults.ringback_mode),
            _first(self.ringback_prompt, defaults.ringback_prompt),
        )


@dataclass(frozen=True, slots=True)
class ProfileInUse:
    """The ruled fields that some of a tenant's bindings set, and one of those bindings."""

    fields: RuledFields
    binding_id: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule between two fields. When it is broken, `field` is to blame, or `other` where the writer set only that."""

    field: str
    other: str
    broken: Callable[[RuledFields], bool]
    message: str


def _warning_too_long(fields: RuledFields) -> bool:
    # 0 and absent both leave the limit to the platform: then there is no bound to compare with.
    return bool(fields.max_duration_seconds) and (fields.warning_duration_seconds or 0) > (
        fields.max_duration_seconds or 0
    )


def _recorded_at_once_in_bridge(fields: RuledFields) -> bool:
    return fields.connection_type is ConnectionType.BRIDGE and fields.record_type is RecordType.AT_ONCE


def _ringback_prompt_passed_through(fields: RuledFields) -> bool:
    return bool(fields.ringback_prompt) and fields.ringback_mode is RingbackMode.PASS_THROUGH


_RULES = (
    _Rule(
        "warning_duration_seconds",
        "max_duration_seconds",
        _warning_too_long,
        "the warning can't come with more seconds left than the call may last (max_duration_seconds, unless that is 0)",
    ),
    _Rule(
        "record_type",
        "connection_type",
        _recorded_at_once_in_bridge,
        "in bridge mode a call is recorded after the callee answers or not at all",
    ),
    _Rule(
        "ringback_prompt",
        "ringback_mode",
        _ringback_prompt_passed_through,
        "a ringback prompt is heard only when the callee's own ringback is not passed through",
    ),
)


def check_profile(profile: CallProfile, defaults: CallProfile, field: str) -> None:
    """Check a profile by itself and as merged over `defaults`.

    Raises InvalidArgumentError naming the wrong field below `field` (`binding.profile`, `tenant.default_profile`).
    """
    _check_text(profile.charge_ext, MAX_CHARGE_EXT_LENGTH, f"{field}.charge_ext")
    _check_text(profile.client_id, MAX_CLIENT_ID_LENGTH, f"{field}.client_id")
    _check_text(profile.user_data, MAX_USER_DATA_LENGTH, f"{field}.user_data")
    merged = RuledFields.of(profile.over(defaults))
    for rule in _RULES:
        if rule.broken(merged):
            to_blame = rule.other if getattr(profile, rule.field) is None else rule.field
            raise InvalidArgumentError(f"{field}.{to_blame}", rule.message)


def check_defaults_against(defaults: CallProfile, in_use: ProfileInUse, field: str) -> None:
    """Check new defaults against the profile of bindings that exist.

    Raises FailedPreconditionError with the metadata `field` (below `field`) and `binding_id`.
    """
    ruled = RuledFields.of(defaults)
    merged = in_use.fields.over(ruled)
    for rule in _RULES:
        if rule.broken(merged):
            to_blame = f"{field}.{rule.other if getattr(ruled, rule.field) is None else rule.field}"
            raise FailedPreconditionError(
                f"{to_blame}: binding {in_use.binding_id} would break a rule: {rule.message}",
                reason="BINDING_IN_THE_WAY",
                metadata={"field": to_blame, "binding_id": in_use.binding_id},
            )


def _check_text(text: str | None, longest: int, field: str) -> None:
    if text is None:
        return
    if len(text) > longest:
        raise InvalidArgumentError(field, f"at most {longest} characters")
    if _UNSENDABLE.search(text):
        raise InvalidArgumentError(field, "control characters can't be sent")
