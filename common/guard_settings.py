"""Settings by which a service is guarded, alike for all that serve gRPC."""

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from common.tls import TlsFiles


class GrpcGuardSettings(BaseSettings):
    """Part of a gRPC service's settings; `python -m SERVICE` gives it its prefix."""

    credentials_file: Path | None = Field(
        default=None,
        description="TOML file of the API keys and certificates that may call, read again when it changes "
        "(docs/security.md); empty: callers are not told apart.",
    )
    api_key_pepper_file: Path | None = Field(
        default=None, description="File with the secret that API keys are hashed with; needed where there are keys."
    )
    tls_cert_file: Path | None = Field(
        default=None, description="The service's certificate with its chain, PEM; empty: no TLS. Read again on change."
    )
    tls_key_file: Path | None = Field(default=None, description="The certificate's private key, PEM.")
    tls_ca_file: Path | None = Field(
        default=None,
        description="Authorities whose certificates clients need (mutual TLS), PEM; empty: none is asked for.",
    )
    insecure: bool = Field(
        default=False,
        description="Listen beyond loopback even without credentials and TLS: for networks that are guarded otherwise.",
    )
    health_listen: str = Field(
        default="",
        description="HOST:PORT that /livez and /readyz, with the reasons, are served on over HTTP; empty: nowhere.",
    )
    max_connection_age_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Age at which a client's connection ends, so that it finds new replicas and certificates.",
    )
    tenant_reads_per_second: float = Field(
        default=2000.0, ge=0, description="Reads per second that an enterprise may make; 0: no limit."
    )
    tenant_writes_per_second: float = Field(
        default=1000.0, ge=0, description="Changes per second that an enterprise may make; 0: no limit."
    )
    tenant_streams: int = Field(
        default=64, ge=1, description="Streams that an enterprise may hold open with one replica."
    )
    limits_redis_url: str = Field(
        default="",
        repr=False,
        description="Redis through which replicas share these limits; empty: each replica counts for itself.",
    )
    limits_redis_password_file: Path | None = Field(
        default=None, description="File with that Redis' password, instead of one in the URL."
    )

    @property
    def tls_files(self) -> TlsFiles | None:
        """None: no TLS."""
        files = TlsFiles(self.tls_cert_file, self.tls_key_file, self.tls_ca_file)
        return files if files.paths else None

    @model_validator(mode="after")
    def _check_guard(self) -> "GrpcGuardSettings":
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together")
        if self.tls_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_ca_file asks for clients' certificates, which takes tls_cert_file too")
        return self
