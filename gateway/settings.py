"""The gateway's settings, read once from the environment."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.errors import InvalidArgumentError
from common.grpc_channel import ChannelSecurity
from common.telemetry.settings import SamplingSettings
from common.tls import TlsFiles
from gateway.call_traces import KeepRules
from gateway.forwarded import parse_network


class GatewaySettings(SamplingSettings):
    """Settings of `python -m gateway`; each is the environment variable AXBRIDGE_GATEWAY_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix="AXBRIDGE_GATEWAY_",
        frozen=True,
        extra="ignore",
        # An empty variable is one that is not set: an empty path would be the working directory.
        env_ignore_empty=True,
    )

    listen: str = Field(
        default="127.0.0.1:8080", description="HOST:PORT that HTTP is served on; port 0 takes a free one."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that serve that port; limits, connections and buffers are each one's own. Those behind "
        "the first have the ports behind its AXBRIDGE_GATEWAY_METRICS_LISTEN for their metrics.",
    )
    routing_target: str = Field(
        default="127.0.0.1:50051",
        description="The routing service: HOST:PORT, or dns:///HOST:PORT to spread over all its addresses.",
    )
    events_target: str = Field(default="127.0.0.1:50052", description="The event service, likewise.")
    access_file: Path | None = Field(
        default=None,
        description="TOML file of the networks and tokens by which platforms may speak for enterprises, read again "
        "when it changes (docs/security.md); empty: senders are not told apart.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Networks of the proxies whose X-Forwarded-For is believed, separated by commas; empty: none.",
    )
    insecure: bool = Field(
        default=False,
        description="Listen beyond loopback even without an access file: for networks that are guarded otherwise.",
    )
    https_cert_file: Path | None = Field(
        default=None,
        description="Certificate and chain that HTTPS is served with, PEM, read again on change; empty: plain HTTP.",
    )
    https_key_file: Path | None = Field(default=None, description="That certificate's private key, PEM.")
    tls_ca_file: Path | None = Field(
        default=None,
        description="Authorities of the services' certificates, PEM; with this or the next one, gRPC goes over TLS.",
    )
    tls_cert_file: Path | None = Field(
        default=None, description="The gateway's own certificate for mutual TLS towards the services, PEM."
    )
    tls_key_file: Path | None = Field(default=None, description="Its private key, PEM.")
    tls_server_name: str = Field(
        default="", description="Name in the services' certificates, where it is not the targets' host."
    )
    api_key_file: Path | None = Field(
        default=None, description="File with the API key that the gateway shows the services, where it has one."
    )
    tenant_queries_per_second: float = Field(
        default=10_000.0,
        ge=0,
        description="Queries per second that an enterprise may send, unless the access file says more; 0: no limit.",
    )
    tenant_events_per_second: float = Field(default=50_000.0, ge=0, description="Events per second, likewise.")
    limits_redis_url: str = Field(
        default="",
        repr=False,
        description="Redis through which gateways share these limits; empty: each one counts for itself.",
    )
    limits_redis_password_file: Path | None = Field(
        default=None, description="File with that Redis' password, instead of one in the URL."
    )
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
    header_timeout_seconds: float = Field(
        default=5.0, gt=0, description="How long a request's headers may take to arrive; then the connection is cut."
    )
    max_connections: int = Field(
        default=10_000,
        ge=1,
        description="Most open connections; beyond it the one that has owed us headers longest gives way.",
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
        description="Most queries that wait to be sent, and most events, of these also 64 MiB at most; beyond it 9002 "
        "and 503. One enterprise may fill half of it.",
    )
    tenant_refresh_seconds: float = Field(
        default=3.0, gt=0, description="How often the directory of enterprises is read again."
    )
    tenant_timeout_seconds: float = Field(
        default=1.0, gt=0, description="How long reading an enterprise may take; its event is then taken unverified."
    )
    record_decisions: bool = Field(
        default=True,
        description="Put answered queries into the call records; without them a record has its events only.",
    )
    max_buffered_decisions: int = Field(
        default=20_000,
        ge=1,
        description="Most answered queries that wait to be put into the call records; the oldest are dropped.",
    )
    metrics_tenants: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Enterprises that metrics name before all others, vccIds separated by commas."
    )
    metrics_max_tenants: int = Field(
        default=20,
        ge=0,
        le=40,
        description="Most enterprises that metrics name, first come, first named; the others are `other` together.",
    )
    trace_keep_errors: bool = Field(
        default=True,
        description="Where spans are exported, also write the gateway's span of what failed (9001, 9002, 9999, "
        "an event not stored) in calls that are not traced, ten a second at most.",
    )
    trace_keep_slower_than_seconds: float = Field(
        default=0.5, ge=0, description="Likewise of what took longer than this; 0: of nothing."
    )
    lame_duck_seconds: float = Field(
        default=1.0,
        ge=0,
        description="How long a gateway that stops still takes requests, telling clients to go elsewhere.",
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

    @property
    def keep_rules(self) -> KeepRules:
        """What is traced in calls that the ratio leaves out."""
        return KeepRules(self.trace_keep_errors, self.trace_keep_slower_than_seconds or math.inf)

    @property
    def channel_security(self) -> ChannelSecurity:
        """How the channels to the services are protected."""
        files = TlsFiles(self.tls_cert_file, self.tls_key_file, self.tls_ca_file)
        return ChannelSecurity(files if files.paths else None, self.tls_server_name, self.api_key_file)

    @field_validator("trusted_proxies", "metrics_tenants", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        # A list as JSON is taken too.
        parts = value.strip().removeprefix("[").removesuffix("]").split(",")
        return tuple(part.strip().strip('"') for part in parts if part.strip())

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                parse_network(text, "trusted_proxies")
            except InvalidArgumentError as error:
                raise ValueError(error.message) from error
        return value

    @model_validator(mode="after")
    def _check_pairs(self) -> "GatewaySettings":
        if (self.https_cert_file is None) != (self.https_key_file is None):
            raise ValueError("https_cert_file and https_key_file belong together")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together")
        return self
