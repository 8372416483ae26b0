"""Which URLs messages may be posted to, as far as the URL tells. Its address is checked when it is connected to."""

import ipaddress
import re
from dataclasses import dataclass

from yarl import URL

from common.errors import InvalidArgumentError
from event_service.webhooks.addresses import AddressPolicy

MAX_URL_CHARACTERS = 2048
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
# How old software writes IPv4 addresses: 127.1, 0x7f000001, 0177.0.0.1, 2130706433.
_NUMERIC_LABEL = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PortPolicy:
    """Ports from and to, both included."""

    ranges: tuple[tuple[int, int], ...] = ((443, 443),)

    def allows(self, port: int) -> bool:
        return any(first <= port <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """https (and http where that is allowed), a port that is allowed, and a host that is a name or a plain address."""

    addresses: AddressPolicy
    ports: PortPolicy = PortPolicy()
    allow_http: bool = False

    def checked(self, text: str, field: str = "url") -> URL:
        """The URL. Raises InvalidArgumentError naming `field` and what is wrong with it."""
        if not text:
            raise InvalidArgumentError(field, "is missing")
        if len(text) > MAX_URL_CHARACTERS:
            raise InvalidArgumentError(field, f"longer than {MAX_URL_CHARACTERS} characters")
        # What parsers disagree on is refused: there must be one reading of what is checked and what is connected to.
        if not _PRINTABLE.fullmatch(text) or "\\" in text:
            raise InvalidArgumentError(field, "printable ASCII without spaces and backslashes (names in Punycode)")
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except ValueError as error:
            raise InvalidArgumentError(field, "not a URL") from error
        if url.scheme not in ("http", "https"):
            raise InvalidArgumentError(field, "an https URL is expected")
        if url.scheme == "http" and not self.allow_http:
            raise InvalidArgumentError(field, "http is not allowed by this installation's settings, https is")
        authority = text.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
        if "@" in authority or url.user is not None or url.password is not None:
            raise InvalidArgumentError(field, "a URL with user information is not allowed")
        if "#" in text:
            raise InvalidArgumentError(field, "a URL with a fragment is not allowed")
        if not host or "%" in authority:
            raise InvalidArgumentError(field, "the host is missing or not a plain name")
        if port is None or not self.ports.allows(port):
            raise InvalidArgumentError(field, f"port {port} is not allowed by this installation's settings")
        self._check_host(host, field)
        return url

    def _check_host(self, host: str, field: str) -> None:
        if ":" in host or _is_ipv4(host):
            refusal = self.addresses.refusal(host)
            if refusal is not None:
                raise InvalidArgumentError(field, f"the address is not allowed: {refusal}", reason="ADDRESS_REFUSED")
            return
        labels = host.removesuffix(".").split(".")
        if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
            raise InvalidArgumentError(field, "the host is not a plain name")
        if _NUMERIC_LABEL.fullmatch(labels[-1]):
            raise InvalidArgumentError(
                field, "an address is written with four decimal numbers", reason="ADDRESS_REFUSED"
            )


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def parse_ports(text: str) -> PortPolicy:
    """Ports from text such as `443,8000-8999`. Raises InvalidArgumentError."""
    ranges = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InvalidArgumentError("allowed_ports", "ports with commas between them, such as 443,8000-8999")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= 65535:
            raise InvalidArgumentError("allowed_ports", "ports are from 1 to 65535")
        ranges.append((low, high))
    return PortPolicy(tuple(ranges))
