"""The entrance: who may send messages of an enterprise, how many, and how slowly."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from common.clock import Clock
from common.limits.token_bucket import RateLimit, RateLimiter, TokenBucket
from common.logs import get_logger
from gateway.forwarded import TrustedProxies
from gateway.platform_access import PlatformAccess, Sender, token_digest

CALLS_PATH = "/v1/calls"
_FORWARDED_FOR = "X-Forwarded-For"
_REFUSAL_LINES = RateLimit(per_second=5.0, burst=20.0)
_NOBODY = Sender(None, None)
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EntranceLimits:
    """How long a body may take, when a platform should try an event again, and an enterprise's rates (None: any)."""

    body_timeout_seconds: float
    retry_after_seconds: int
    queries: RateLimit | None = None
    events: RateLimit | None = None


class Entrance:
    """Decides over each message before anything is done for it. `access` None: senders are not told apart."""

    def __init__(
        self,
        access: Callable[[], PlatformAccess] | None,
        proxies: TrustedProxies,
        limiter: RateLimiter,
        limits: EntranceLimits,
        clock: Clock,
    ) -> None:
        self._access = access
        self._proxies = proxies
        self._limiter = limiter
        self.limits = limits
        self._clock = clock
        self._lines = TokenBucket(_REFUSAL_LINES, clock.monotonic())
        self.refused = 0

    def sender(self, request: web.Request) -> Sender:
        """Who sent the request, as far as it matters."""
        if self._access is None:
            return _NOBODY
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        token = _token_in(request.path)
        return Sender(
            self._proxies.sender(str(peer[0]), request.headers.getall(_FORWARDED_FOR, ())) if peer else None,
            None if token is None else token_digest(token),
        )

    def admits(self, sender: Sender, tenant_id: str) -> bool:
        """Whether the sender may speak for the tenant. A refusal is logged, though not each of a flood."""
        if self._access is None or self._access().admits(sender, tenant_id):
            return True
        self.refused += 1
        if self._lines.take(_REFUSAL_LINES, self._clock.monotonic()):
            _log.warning(
                "a sender may not speak for this tenant",
                tenant_id=tenant_id,
                sender_address=str(sender.address),
                token="none" if sender.token_digest is None else "given",
                refused=self.refused,
            )
        return False

    def recognises(self, sender: Sender) -> bool:
        """Whether the sender is somebody's platform: what others send is not worth keeping."""
        return self._access is None or self._access().recognises(sender)

    def attributed(self, sender: Sender, tenant_id: str) -> str:
        """The tenant that may see what this sender said of it, empty when it is none: others' platforms say it too."""
        return tenant_id if self._access is None or self._access().admits(sender, tenant_id) else ""

    async def has_room_for_query(self, tenant_id: str) -> bool:
        """Whether the tenant may send one more query now; it is counted."""
        guard = None if self._access is None else self._access().guard(tenant_id)
        limit = self.limits.queries if guard is None or guard.queries is None else guard.queries
        return limit is None or await self._limiter.allow(f"query:{tenant_id}", limit)

    async def has_room_for_event(self, tenant_id: str) -> bool:
        """Likewise for events."""
        guard = None if self._access is None else self._access().guard(tenant_id)
        limit = self.limits.events if guard is None or guard.events is None else guard.events
        return limit is None or await self._limiter.allow(f"event:{tenant_id}", limit)


def is_calls_path(raw_path: str) -> bool:
    """Whether a path, as it was sent, is where messages go: with a token behind it or without."""
    if raw_path == CALLS_PATH:
        return True
    token = raw_path.removeprefix(f"{CALLS_PATH}/")
    return token != raw_path and token != "" and "/" not in token


def _token_in(path: str) -> str | None:
    token = path.removeprefix(f"{CALLS_PATH}/")
    return None if token == path else token
