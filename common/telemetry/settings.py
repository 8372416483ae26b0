"""Settings of traces and metrics, alike for all services."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from common.errors import InvalidArgumentError
from common.telemetry.sampling import TraceSampler

TraceExporter = Literal["none", "console", "otlp-grpc", "otlp-http"]
MetricsExporter = Literal["none", "otlp-grpc", "otlp-http"]
_MAX_HEADERS_BYTES = 16 * 1024


class TelemetrySettings(BaseSettings):
    """Part of a service's settings; `python -m SERVICE` gives it its prefix."""

    trace_exporter: TraceExporter = Field(
        default="none",
        description="Where spans go (docs/tracing.md): `none`, `console` (one JSON line a span on standard output), "
        "`otlp-grpc` or `otlp-http`.",
    )
    otlp_endpoint: str = Field(
        default="",
        description="OTLP receiver: `http://HOST:PORT`, or `https://HOST:PORT` for TLS; over HTTP its paths "
        "`/v1/traces` and `/v1/metrics` are used. Empty: port 4317 (gRPC) or 4318 (HTTP) on this machine.",
    )
    otlp_headers_file: Path | None = Field(
        default=None, description="File of headers for the receiver, one `name: value` a line: tokens belong there."
    )
    otlp_ca_file: Path | None = Field(
        default=None, description="Authorities that sign the receiver's certificate, PEM; empty: the system's."
    )
    otlp_timeout_seconds: float = Field(
        default=5.0, gt=0, description="How long the receiver may take for one lot, its retries included."
    )
    trace_queue_spans: int = Field(
        default=8192,
        ge=512,
        description="Most spans that wait to be exported; beyond it spans are dropped and counted, calls never wait.",
    )

    metrics_listen: str = Field(
        default="",
        description="HOST:PORT that GET /metrics is served on over HTTP, for Prometheus (docs/operations.md); empty: "
        "nowhere.",
    )
    metrics_exporter: MetricsExporter = Field(
        default="none", description="Where metrics are pushed to beside: `none`, `otlp-grpc` or `otlp-http`."
    )
    metrics_export_seconds: float = Field(default=15.0, ge=1, description="How often metrics are pushed.")
    request_lines_per_second: float = Field(
        default=100.0,
        ge=0,
        description="Most log lines per second about requests that went well, one a request; 0: none. Requests that "
        "failed here have their line too, up to 1000 per second. What is beyond is counted.",
    )

    @property
    def has_traces(self) -> bool:
        """Whether spans go anywhere."""
        return self.trace_exporter != "none"

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        if value:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
                raise ValueError("is http://HOST:PORT or https://HOST:PORT")
            if parts.username is not None or parts.password is not None:
                raise ValueError("holds no credentials: they belong into the headers' file")
        return value

    @model_validator(mode="after")
    def _check_telemetry(self) -> "TelemetrySettings":
        if self.otlp_ca_file is not None and not self.otlp_endpoint.startswith("https://"):
            raise ValueError("otlp_ca_file is for an otlp_endpoint with https://")
        return self

    @property
    def are_metrics_read(self) -> bool:
        """Whether anybody looks at the metrics."""
        return bool(self.metrics_listen) or self.metrics_exporter != "none"

    @property
    def otlp_headers(self) -> dict[str, str]:
        """The headers for the receiver, names in lower case. Raises OSError, and InvalidArgumentError for the file."""
        path = self.otlp_headers_file
        if path is None:
            return {}
        return parse_headers(path.read_bytes())


class SamplingSettings(TelemetrySettings):
    """Part of the settings of those services that decide which calls are traced; the others follow them."""

    trace_sample_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the calls that are traced, 0 to 1, where spans are exported; the same in the gateway and "
        "the event service.",
    )

    @property
    def sampler(self) -> TraceSampler:
        """What decides. Where no spans are exported it samples nothing."""
        return TraceSampler(self.trace_sample_ratio if self.has_traces else 0.0)


def parse_headers(text: bytes) -> dict[str, str]:
    """Headers from a file, one `name: value` a line; empty lines and those that begin with # don't count.

    Raises InvalidArgumentError that names the line and repeats nothing of it: values are secrets.
    """
    if len(text) > _MAX_HEADERS_BYTES:
        raise InvalidArgumentError("otlp_headers_file", f"larger than {_MAX_HEADERS_BYTES} bytes")
    headers: dict[str, str] = {}
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, colon, value = (part.strip() for part in stripped.partition(":"))
        is_name = bool(name) and name.isascii() and all(letter.isalnum() or letter in "-_." for letter in name)
        if not colon or not is_name or not value.isascii() or not value.isprintable():
            raise InvalidArgumentError("otlp_headers_file", f"line {number} is no `name: value`")
        headers[name.lower()] = value
    return headers
