"""Puts the gateway's guards together from its settings."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from common.auth.exposure import check_exposure
from common.clock import Clock
from common.guard import rate_limit, running_limiter
from common.reloading import ReloadedFile, following
from common.tls import TlsFiles, TlsMaterial, https_context, open_tls
from gateway.entrance import Entrance, EntranceLimits
from gateway.forwarded import TrustedProxies, parse_network
from gateway.platform_access import PlatformAccess, parse_access
from gateway.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class Guards:
    """The entrance, what HTTPS is served with (None: plain HTTP), and what is wrong with files that changed."""

    entrance: Entrance
    tls: ssl.SSLContext | None
    problems: Callable[[], list[str]]


@asynccontextmanager
async def running_guards(settings: GatewaySettings, clock: Clock) -> AsyncIterator[Guards]:
    """The guards; while the context is open they follow their files.

    Raises InvalidArgumentError for settings that would leave the gateway open to other machines, and, like OSError, for
    files that can't be used.
    """
    check_exposure(
        settings.listen,
        guarded=settings.access_file is not None,
        insecure=settings.insecure,
        how_to_guard="set AXBRIDGE_GATEWAY_ACCESS_FILE",
        how_to_insist="AXBRIDGE_GATEWAY_INSECURE=true",
    )
    followed: list[ReloadedFile[Any]] = []
    access = _open_access(settings)
    if access is not None:
        followed.append(access)
    context = None
    if settings.https_cert_file is not None:
        files = TlsFiles(settings.https_cert_file, settings.https_key_file)
        tls: ReloadedFile[TlsMaterial] = open_tls("https", files, clock)
        context = https_context(files, tls)
        followed.append(tls)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(following(*followed))
        limiter = await stack.enter_async_context(
            running_limiter(settings.limits_redis_url, settings.limits_redis_password_file, clock)
        )
        proxies = TrustedProxies(parse_network(text, "trusted_proxies") for text in settings.trusted_proxies)
        limits = EntranceLimits(
            settings.body_timeout_seconds,
            settings.event_retry_after_seconds,
            rate_limit(settings.tenant_queries_per_second),
            rate_limit(settings.tenant_events_per_second),
        )
        current = None if access is None else lambda: access.current
        entrance = Entrance(current, proxies, limiter, limits, clock)
        yield Guards(entrance, context, lambda: [file.problem for file in followed if file.problem])


def _open_access(settings: GatewaySettings) -> ReloadedFile[PlatformAccess] | None:
    path = settings.access_file
    if path is None:
        return None
    return ReloadedFile("access file", [path], lambda: parse_access(path.read_text(encoding="utf-8")))
