"""An enterprise and how it wants to be spoken to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from common.numbers import DEFAULT_REGION, DialingFormat
from common.prompts import Prompt
from common.protocol_codes import ResultCode
from routing_service.domain.profile import EMPTY_PROFILE, CallProfile

DEFAULT_FAILURE_PROMPT = "default"


class JsonListStyle(Enum):
    """How `userList` is written in JSON."""

    WRAPPED = "wrapped"
    PLAIN = "plain"


class PromptStyle(Enum):
    """How prompts with several segments are written in XML."""

    ESCAPED = "escaped"
    NESTED = "nested"


@dataclass(frozen=True, slots=True)
class ResponseStyle:
    """How answers are written. An empty `xml_root` is derived from the request's root."""

    xml_root: str = ""
    json_list_style: JsonListStyle = JsonListStyle.WRAPPED
    prompt_style: PromptStyle = PromptStyle.ESCAPED


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What an operator writes about a tenant.

    `failure_prompts` are keyed by result code (`1004`), `default` serves the others. `callback_url` is empty where the
    platform shall use the URL of the query. `fallback_number`, in normal form, is called when an access number has no
    relationship for the caller; empty: nobody is.
    """

    display_name: str = ""
    response_style: ResponseStyle = ResponseStyle()
    default_region: str = DEFAULT_REGION
    dialing_format: DialingFormat = DialingFormat.NATIONAL
    default_profile: CallProfile = EMPTY_PROFILE
    failure_prompts: Mapping[str, Prompt] = field(default_factory=dict)
    callback_url: str = ""
    local_mobile_prefixes: tuple[str, ...] = ()
    fallback_number: str = ""
    foreign_display_numbers_allowed: bool = False

    def failure_prompt(self, result: ResultCode) -> Prompt | None:
        """What the caller is played when a query ends with this result, if anything."""
        return self.failure_prompts.get(result.text) or self.failure_prompts.get(DEFAULT_FAILURE_PROMPT)


@dataclass(frozen=True, slots=True)
class Tenant:
    """An enterprise (`vccId`). `revision` grows by one with every change, from 1."""

    tenant_id: str
    settings: TenantSettings
    revision: int = 1
