"""The event service's settings, read once from the environment."""

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from common.guard_settings import GrpcGuardSettings
from common.logs import LOG_FORMATS
from common.telemetry.settings import SamplingSettings
from event_service.limits import MAX_BATCH_ITEMS
from event_service.subscriptions.settings import SubscriptionSettings
from event_service.webhooks.settings import WebhookSettings

DATABASE_FILE = "events.db"


class EventServiceSettings(GrpcGuardSettings, SamplingSettings, WebhookSettings, SubscriptionSettings):
    """Settings of `python -m event_service`; each is the environment variable AXBRIDGE_EVENTS_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix="AXBRIDGE_EVENTS_",
        frozen=True,
        extra="ignore",
        # An empty variable is one that is not set: an empty path would be the working directory.
        env_ignore_empty=True,
    )

    listen: str = Field(
        default="127.0.0.1:50052", description="HOST:PORT that gRPC is served on; port 0 takes a free one."
    )
    data_dir: Path = Field(
        default=Path("axbridge-data"), description="Directory of the SQLite file; made when it is missing."
    )
    database_url: str = Field(
        default="",
        description="`sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`; "
        "empty: the file `events.db` in the data directory.",
    )
    partition_count: int = Field(
        default=16,
        ge=1,
        le=1024,
        description="Partitions of the log. A log keeps the number that it was created with.",
    )
    max_queued_events: int = Field(
        default=20_000,
        ge=MAX_BATCH_ITEMS,
        description="Most events and decisions that wait to be written; more are refused with RESOURCE_EXHAUSTED.",
    )
    max_queued_mebibytes: int = Field(
        default=128, ge=32, description="Most MiB that wait to be written; more are refused with RESOURCE_EXHAUSTED."
    )
    max_group_events: int = Field(
        default=512,
        ge=1,
        description="A transaction takes further requests while it has fewer events and decisions than this.",
    )
    quarantine_max_messages: int = Field(
        default=10_000,
        ge=1,
        description="Most messages in the quarantine; the oldest are dropped for new ones, and counted.",
    )
    quarantine_max_mebibytes: int = Field(
        default=64, ge=1, description="Most MiB of bodies in the quarantine, likewise."
    )
    retention_days: int = Field(
        default=0,
        ge=0,
        description="Days that a call is kept after its last change, its events with it; 0: for ever. "
        "What a webhook or a subscription has not got yet stays longer.",
    )
    retention_check_seconds: float = Field(default=3600.0, gt=0, description="How often old calls are dropped.")
    default_talk_seconds: int = Field(
        default=14_400,
        ge=60,
        description="How long a talk may last whose length was left to the platform; see the next setting.",
    )
    unterminated_margin_seconds: int = Field(
        default=900,
        ge=1,
        description="A call without an end is closed as `unterminated` these seconds after its longest talk.",
    )
    unterminated_check_seconds: float = Field(default=60.0, gt=0, description="How often such calls are looked for.")
    drain_seconds: float = Field(
        default=10.0, gt=0, description="How long calls in flight may take when the service stops."
    )
    log_level: str = Field(default="info", description="Least level that is logged: debug, info, warning or error.")
    log_format: str = Field(
        default="auto", description="`json`, `console`, or `auto`: console on a terminal, JSON otherwise."
    )

    @model_validator(mode="after")
    def _check(self) -> "EventServiceSettings":
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise ValueError("log_level is one of debug, info, warning, error")
        if self.log_format not in LOG_FORMATS:
            raise ValueError(f"log_format is one of {', '.join(LOG_FORMATS)}")
        return self

    @property
    def effective_database_url(self) -> str:
        """`database_url`, or the SQLite file in the data directory."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.absolute() / DATABASE_FILE}"
