"""The gateway's settings, read once from the environment."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class GatewaySettings(BaseSettings):
    """Settings of `python -m gateway`; each is the environment variable AXBRIDGE_GATEWAY_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="AXBRIDGE_GATEWAY_", frozen=True, extra="ignore")

    listen: str = Field(
        default="127.0.0.1:8080", description="HOST:PORT that HTTP is served on; port 0 takes a free one."
    )
    routing_target: str = Field(
        default="127.0.0.1:50051",
        description="The routing service: HOST:PORT, or dns:///HOST:PORT to spread over all its addresses.",
    )
    events_target: str = Field(default="127.0.0.1:50052", description="The event service, likewise.")
    query_budget_seconds: float = Field(
        default=1.0,
        gt=0,
        description="How long a query may take from its headers to its answer; then its result is 9001.",
    )
    query_attempt_seconds: float = Field(
        default=0.4,
        gt=0,
        description="How long a batch of queries waits for one replica before it is sent to another.",
    )
    event_budget_seconds: float = Field(
        default=5.0, gt=0, description="How long storing an event may take; then the answer is 503."
    )
    event_attempt_seconds: float = Field(
        default=2.0, gt=0, description="How long a batch of events waits before it is sent once more."
    )
    event_retry_after_seconds: int = Field(
        default=1, ge=0, le=3600, description="Retry-After of an event's 503, in seconds."
    )
    body_timeout_seconds: float = Field(
        default=2.0, gt=0, description="How long a request's body may take to arrive; then the answer is 408."
    )
    keepalive_seconds: float = Field(
        default=75.0,
        gt=0,
        description="How long an idle connection is kept; longer than the platform and every proxy before us keep it.",
    )
    max_batch_items: int = Field(default=256, ge=1, le=1024, description="Most queries or events in one RPC.")
    max_batches_in_flight: int = Field(
        default=2, ge=1, le=64, description="Most RPCs of one kind under way at the same time."
    )
    max_queued: int = Field(
        default=8192,
        ge=1,
        description="Most queries that wait to be sent, and most events; beyond it 9002 and 503. "
        "One enterprise may fill half of it.",
    )
    tenant_refresh_seconds: float = Field(
        default=3.0, gt=0, description="How often the directory of enterprises is read again."
    )
    tenant_timeout_seconds: float = Field(
        default=1.0, gt=0, description="How long reading an enterprise may take; its event is then taken unverified."
    )
    max_buffered_decisions: int = Field(
        default=20_000,
        ge=1,
        description="Most answered queries that wait to be put into the call records; the oldest are dropped.",
    )
    trace_sample_ratio: float = Field(
        default=0.0, ge=0, le=1, description="Share of the calls, 0 to 1, whose messages carry a trace context."
    )
    drain_seconds: float = Field(
        default=10.0, gt=0, description="How long requests in flight may take when the gateway stops."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged: debug, info, warning or error."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`json`, `console`, or `auto`: console on a terminal, JSON otherwise."
    )
