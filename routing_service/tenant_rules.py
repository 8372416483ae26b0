"""The rules that a tenant's settings must keep."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

from common.errors import InvalidArgumentError
from common.numbers import is_region, normalize_number
from common.protocol_codes import ResultCode
from routing_service.domain.profile import EMPTY_PROFILE
from routing_service.domain.tenant import DEFAULT_FAILURE_PROMPT, TenantSettings
from routing_service.profile_rules import check_profile

MAX_DISPLAY_NAME_LENGTH = 200
MAX_URL_LENGTH = 2048
MAX_LOCAL_MOBILE_PREFIXES = 10_000

_TENANT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Names without a colon: a prefix would need a namespace that nobody declares.
_NAME_START = r"A-Z_a-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u3001-\uD7FF"
_XML_NAME = re.compile(rf"[{_NAME_START}][{_NAME_START}0-9.\u00B7-]{{0,63}}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_URL_CHARACTERS = re.compile(r"[!-~]+")
_MOBILE_PREFIX = re.compile(r"[0-9]{1,11}")


def is_tenant_id(text: str) -> bool:
    """Whether a tenant can have this id: 1 to 64 letters, digits, `_`, `-`, `.`."""
    return _TENANT_ID.fullmatch(text) is not None


def check_tenant_id(text: str, field: str) -> None:
    """Raises InvalidArgumentError naming `field` when no tenant can have this id."""
    if not is_tenant_id(text):
        raise InvalidArgumentError(field, "1 to 64 letters, digits, '_', '-' or '.' are expected")


def checked_settings(settings: TenantSettings, current: TenantSettings | None = None) -> TenantSettings:
    """The settings with the fallback number in normal form; one taken over from `current` is in it already.

    Raises InvalidArgumentError naming the first wrong field (`tenant.callback_url`).
    """
    check_settings(settings)
    number = settings.fallback_number
    if not number or (current is not None and number == current.fallback_number):
        return settings
    try:
        return replace(settings, fallback_number=normalize_number(number, settings.default_region))
    except ValueError as error:
        raise InvalidArgumentError("tenant.fallback_number", str(error)) from error


def check_settings(settings: TenantSettings) -> None:
    """Raises InvalidArgumentError naming the first wrong field (`tenant.callback_url`)."""
    if len(settings.display_name) > MAX_DISPLAY_NAME_LENGTH or _UNPRINTABLE.search(settings.display_name):
        raise InvalidArgumentError(
            "tenant.display_name", f"at most {MAX_DISPLAY_NAME_LENGTH} characters, no control characters"
        )
    if not is_region(settings.default_region):
        raise InvalidArgumentError("tenant.default_region", "a region such as CN is expected (ISO 3166-1 alpha-2)")
    _check_xml_root(settings.response_style.xml_root)
    _check_url(settings.callback_url)
    _check_failure_prompts(settings)
    _check_prefixes(settings.local_mobile_prefixes)
    check_profile(settings.default_profile, EMPTY_PROFILE, "tenant.default_profile")


def _check_xml_root(name: str) -> None:
    if name and (not _XML_NAME.fullmatch(name) or name.lower().startswith("xml")):
        raise InvalidArgumentError("tenant.response_style.xml_root", "an XML element name of at most 64 characters")


def _check_url(url: str) -> None:
    if not url:
        return
    field = "tenant.callback_url"
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(url) > MAX_URL_LENGTH or not _URL_CHARACTERS.fullmatch(url):
        raise InvalidArgumentError(field, "an absolute http or https URL is expected")
    if parts.username is not None or parts.password is not None:
        raise InvalidArgumentError(field, "credentials don't belong into the URL")
    if parts.fragment:
        raise InvalidArgumentError(field, "a fragment is never sent to a server")


def _check_failure_prompts(settings: TenantSettings) -> None:
    for key in settings.failure_prompts:
        code = ResultCode.lookup(key)
        if key != DEFAULT_FAILURE_PROMPT and (code is None or code is ResultCode.SUCCESS):
            known = ", ".join(each.text for each in ResultCode if each is not ResultCode.SUCCESS)
            raise InvalidArgumentError("tenant.failure_prompts", f"keys are {DEFAULT_FAILURE_PROMPT}, {known}")


def _check_prefixes(prefixes: tuple[str, ...]) -> None:
    field = "tenant.local_mobile_prefixes"
    if len(prefixes) > MAX_LOCAL_MOBILE_PREFIXES:
        raise InvalidArgumentError(field, f"at most {MAX_LOCAL_MOBILE_PREFIXES} prefixes")
    for place, prefix in enumerate(prefixes):
        if not _MOBILE_PREFIX.fullmatch(prefix):
            raise InvalidArgumentError(f"{field}[{place}]", "1 to 11 digits are expected")
