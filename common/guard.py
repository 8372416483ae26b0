"""Puts a gRPC service's guards together from its settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from common.auth.api_keys import read_pepper
from common.auth.credentials import Credentials, parse_credentials
from common.auth.exposure import check_exposure
from common.auth.interceptor import AccessInterceptor
from common.auth.requirements import Requirements
from common.auth.unmasking import UnmaskAudit
from common.clock import Clock
from common.guard_settings import GrpcGuardSettings
from common.limits.rpc_limits import RpcLimiter, RpcLimits
from common.limits.shared import open_shared_limiter
from common.limits.token_bucket import LocalRateLimiter, RateLimit, RateLimiter
from common.reloading import ReloadedFile, following
from common.tls import TlsMaterial, open_tls


@dataclass(frozen=True, slots=True)
class Guard:
    """What a server needs. `problems` are what is wrong with files that changed, for people; empty: nothing."""

    interceptor: grpc.aio.ServerInterceptor
    tls: ReloadedFile[TlsMaterial] | None
    problems: Callable[[], list[str]]


def open_credentials(path: Path, pepper_file: Path | None) -> ReloadedFile[Credentials]:
    """A credentials file, read again when it or the pepper changes. Raises OSError, InvalidArgumentError."""

    def load() -> Credentials:
        pepper = None if pepper_file is None else read_pepper(pepper_file)
        return parse_credentials(path.read_text(encoding="utf-8"), pepper)

    return ReloadedFile("credentials", [path] if pepper_file is None else [path, pepper_file], load)


@asynccontextmanager
async def running_guard(
    settings: GrpcGuardSettings,
    listen: str,
    requirements: Requirements,
    clock: Clock,
    audit: UnmaskAudit | None = None,
) -> AsyncIterator[Guard]:
    """The guards of a service that listens on `listen`; while the context is open they follow their files.

    Raises InvalidArgumentError for settings that would leave the service open to other machines, and, like OSError, for
    files that can't be used.
    """
    prefix = settings.model_config.get("env_prefix", "")
    check_exposure(
        listen,
        guarded=settings.credentials_file is not None and settings.tls_cert_file is not None,
        insecure=settings.insecure,
        how_to_guard=f"set {prefix}CREDENTIALS_FILE and {prefix}TLS_CERT_FILE",
        how_to_insist=f"{prefix}INSECURE=true",
    )
    credentials: ReloadedFile[Credentials] | None = None
    tls: ReloadedFile[TlsMaterial] | None = None
    if settings.credentials_file is not None:
        credentials = open_credentials(settings.credentials_file, settings.api_key_pepper_file)
    if settings.tls_files is not None:
        tls = open_tls("tls", settings.tls_files, clock)
    async with AsyncExitStack() as stack:
        limits = RpcLimits(
            rate_limit(settings.tenant_reads_per_second),
            rate_limit(settings.tenant_writes_per_second),
            settings.tenant_streams,
        )
        shared = await stack.enter_async_context(
            running_limiter(settings.limits_redis_url, settings.limits_redis_password_file, clock)
        )
        limiter = RpcLimiter(shared, limits)
        if credentials is not None:
            await stack.enter_async_context(following(credentials))
        interceptor = AccessInterceptor(requirements, _current(credentials), limiter, clock, audit)
        yield Guard(interceptor, tls, lambda: [each.problem for each in (credentials, tls) if each and each.problem])


def rate_limit(per_second: float) -> RateLimit | None:
    """The limit of a setting: 0 means none."""
    return RateLimit.of(per_second) if per_second else None


@asynccontextmanager
async def running_limiter(redis_url: str, password_file: Path | None, clock: Clock) -> AsyncIterator[RateLimiter]:
    """A limiter that replicas share through Redis, or this process' own for an empty URL.

    Raises OSError when the password can't be read, InvalidArgumentError for a URL that is none.
    """
    if not redis_url:
        yield LocalRateLimiter(clock)
        return
    async with open_shared_limiter(redis_url, clock, password=_password(password_file)) as limiter:
        yield limiter


def _password(file: Path | None) -> str | None:
    return None if file is None else file.read_text(encoding="utf-8").strip()


def _current(credentials: ReloadedFile[Credentials] | None) -> Callable[[], Credentials] | None:
    return None if credentials is None else lambda: credentials.current
