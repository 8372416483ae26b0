"""The routing service's settings, read once from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy.engine import make_url

from common.at_rest.settings import AtRestSettings
from common.guard_settings import GrpcGuardSettings
from common.telemetry.settings import TelemetrySettings
from routing_service.cache.redis_client import parse_redis_url

DATABASE_FILE = "routing.db"


class RoutingServiceSettings(GrpcGuardSettings, AtRestSettings, TelemetrySettings):
    """Settings of `python -m routing_service`; each is the environment variable AXBRIDGE_ROUTING_<NAME>."""

    # Inputs are not repeated in error messages: URLs may hold passwords.
    model_config = SettingsConfigDict(
        env_prefix="AXBRIDGE_ROUTING_",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        # An empty variable is one that is not set: an empty path would be the working directory.
        env_ignore_empty=True,
    )

    listen: str = Field(
        default="127.0.0.1:50051", description="HOST:PORT that gRPC is served on; port 0 takes a free one."
    )
    data_dir: Path = Field(
        default=Path("axbridge-data"), description="Directory of the SQLite file; made when it is missing."
    )
    database_url: str = Field(
        default="",
        repr=False,
        description="`sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`; "
        "empty: the file `routing.db` in the data directory.",
    )
    database_password_file: Path | None = Field(
        default=None, description="File with the password for `database_url`, instead of one in the URL."
    )
    migrate_at_start: Literal["auto", "yes", "no"] = Field(
        default="auto",
        description="Whether to bring the database to this version's schema; `auto`: on SQLite only. Elsewhere "
        "`axbridge migrate` does it, and a service that finds an older schema refuses to start.",
    )
    read_connections: int = Field(
        default=8, ge=1, le=256, description="Database connections that queries are answered with."
    )
    write_connections: int = Field(
        default=8, ge=1, le=256, description="Database connections that changes are made with; SQLite always has one."
    )
    read_timeout_seconds: float = Field(
        default=0.3,
        gt=0,
        description="How long the database may take to answer; then a query's result is 9002. Less than the time after "
        "which the gateway asks another replica.",
    )
    write_timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        description="How long a change may take, the wait for other writers included; then it is UNAVAILABLE.",
    )
    redis_url: str = Field(
        default="",
        repr=False,
        description="The cache: `redis://HOST:PORT/DB`, `sentinel://HOST:PORT,HOST:PORT/SERVICE?db=N`, "
        "`cluster://HOST:PORT,HOST:PORT`; with TLS `rediss`, `sentinels`, `clusters`. All replicas share one. Empty: "
        "every query is answered from the database.",
    )
    redis_password_file: Path | None = Field(
        default=None, description="File with the password for `redis_url`, instead of one in the URL."
    )
    redis_sentinel_password_file: Path | None = Field(
        default=None, description="File with the password that the sentinels themselves ask for."
    )
    redis_ca_file: Path | None = Field(
        default=None, description="Authorities that sign Redis' certificates, PEM; empty: the system's."
    )
    redis_key_prefix: str = Field(
        default="axbridge",
        pattern=r"^[A-Za-z0-9_.:-]+$",
        description="First part of every key in Redis: one for each installation that shares it.",
    )
    redis_connections: int = Field(
        default=16, ge=1, le=1024, description="Connections to Redis that queries use, and as many that changes use."
    )
    cache_ttl_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="How long an answer is remembered. While Redis can't be reached every change takes this long.",
    )
    cache_negative_ttl_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How long it is remembered that there is no binding."
    )
    cache_clock_skew_seconds: float = Field(
        default=0.5, ge=0, description="How far apart the replicas' clocks may be; changes wait as much longer."
    )
    cache_timeout_seconds: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="How long queries wait for Redis; then they are answered from the database.",
    )
    cache_write_timeout_seconds: float = Field(
        default=0.5, gt=0, le=1, description="How long a change waits for each of its steps in Redis."
    )
    cache_concurrent_loads: int = Field(
        default=4, ge=1, le=256, description="Most statements at a time that read what the cache does not have."
    )
    cache_absent_reads_per_second: float = Field(
        default=2000.0,
        ge=0,
        description="How often in a second each replica looks into the database for an enterprise and finds nothing; "
        "beyond it what is not in the cache is 9002. For those who try numbers one after the other. 0: no limit.",
    )
    cache_audits_per_second: float = Field(
        default=1.0, ge=0, description="Answers from the cache that are compared with the database; 0: none."
    )
    max_batch_queries: int = Field(default=1024, ge=1, le=1024, description="Most queries in one ResolveBatch.")
    default_budget_seconds: float = Field(
        default=1.0,
        gt=0,
        description="How long a batch may take whose sender set no deadline; then its result is 9001.",
    )
    pool_cool_down_seconds: float = Field(
        default=600.0,
        ge=0,
        le=2_592_000,
        description="How long an access number of a pool rests for numbers that used it, where a request does not say.",
    )
    drain_seconds: float = Field(
        default=10.0, gt=0, description="How long calls in flight may take when the service stops."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged: debug, info, warning or error."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`json`, `console`, or `auto`: console on a terminal, JSON otherwise."
    )

    @model_validator(mode="after")
    def _check(self) -> "RoutingServiceSettings":
        if self.redis_url:
            try:
                parse_redis_url(self.redis_url)
            except ValueError as error:
                raise ValueError(f"redis_url: {error}") from None
        if self.cache_negative_ttl_seconds > self.cache_ttl_seconds:
            raise ValueError("cache_negative_ttl_seconds is at most cache_ttl_seconds")
        return self

    @property
    def effective_database_url(self) -> str:
        """`database_url` with its password, or the SQLite file in the data directory. Raises OSError."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{self.data_dir.absolute() / DATABASE_FILE}"
        if self.database_password_file is None:
            return self.database_url
        password = _secret(self.database_password_file)
        return make_url(self.database_url).set(password=password).render_as_string(hide_password=False)

    @property
    def redis_password(self) -> str | None:
        """The password of Redis, where it does not stand in the URL. Raises OSError."""
        return None if self.redis_password_file is None else _secret(self.redis_password_file)

    @property
    def redis_sentinel_password(self) -> str | None:
        """The password of the sentinels, where they ask for one. Raises OSError."""
        return None if self.redis_sentinel_password_file is None else _secret(self.redis_sentinel_password_file)


def _secret(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip("\r\n")
