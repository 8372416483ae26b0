"""The routing service's settings, read once from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.guard_settings import GrpcGuardSettings

DATABASE_FILE = "routing.db"


class RoutingServiceSettings(GrpcGuardSettings):
    """Settings of `python -m routing_service`; each is the environment variable AXBRIDGE_ROUTING_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="AXBRIDGE_ROUTING_", frozen=True, extra="ignore")

    listen: str = Field(
        default="127.0.0.1:7701", description="HOST:PORT that gRPC is served on; port 0 takes a free one."
    )
    data_dir: Path = Field(
        default=Path("axbridge-data"), description="Directory of the SQLite file; made when it is missing."
    )
    database_url: str = Field(
        default="",
        description="`sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`; "
        "empty: the file `routing.db` in the data directory.",
    )
    migrate_at_start: Literal["auto", "yes", "no"] = Field(
        default="auto", description="Whether to bring the database to this version's schema; `auto`: on SQLite only."
    )
    read_connections: int = Field(
        default=8, ge=1, le=256, description="Database connections that queries are answered with."
    )
    write_connections: int = Field(
        default=8, ge=1, le=256, description="Database connections that changes are made with; SQLite always has one."
    )
    read_timeout_seconds: float = Field(
        default=0.5, gt=0, description="How long the database may take to answer; then a query's result is 9002."
    )
    write_timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        description="How long a change may take, the wait for other writers included; then it is UNAVAILABLE.",
    )
    max_batch_queries: int = Field(default=1024, ge=1, le=1024, description="Most queries in one ResolveBatch.")
    default_budget_seconds: float = Field(
        default=1.0,
        gt=0,
        description="How long a batch may take whose sender set no deadline; then its result is 9001.",
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

    @property
    def effective_database_url(self) -> str:
        """`database_url`, or the SQLite file in the data directory."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.absolute() / DATABASE_FILE}"
