"""Everything that guards a stack: certificates, a pepper, keys and what they are granted, as files."""

from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc

from common.auth.api_keys import ApiKey, generate_api_key, read_pepper
from common.tls import TlsFiles
from tests.support.certificates import CertificateAuthority

GATEWAY_URI = "spiffe://axbridge/gateway"
ADMIN_SCOPES = ("read", "write", "unmask", "admin")
ALL = ("*",)


class GuardFiles:
    """Files for a stack under `directory`. The gateway shows its certificate, everybody else a key over mutual TLS."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = CertificateAuthority.create()
        self.server = self.authority.issue(directory / "server", "services")
        self.gateway = self.authority.issue(directory / "gateway", "gateway", uri=GATEWAY_URI)
        self.client = self.authority.issue(directory / "client", "some-system")
        self.pepper_file = directory / "pepper"
        self.pepper_file.write_text("p" * 40)
        self._pepper = read_pepper(self.pepper_file)
        self.credentials_file = directory / "credentials.toml"
        self._entries = {
            "gateway": f'[[certificate]]\nname = "uri:{GATEWAY_URI}"\ncaller = "gateway"\n'
            'tenants = ["*"]\nscopes = ["gateway"]\n'
        }
        self.admin = self.add_key("admin", ALL, ADMIN_SCOPES)

    def add_key(
        self, caller: str, tenants: tuple[str, ...], scopes: tuple[str, ...], ends_in: timedelta = timedelta(days=1)
    ) -> ApiKey:
        """A new key; the services know it from their next look at the file on."""
        key = generate_api_key()
        self._entries[key.key_id] = (
            f'[[key]]\nid = "{key.key_id}"\ncaller = "{caller}"\nhash = "{self._pepper.hash(key)}"\n'
            f"tenants = {list(tenants)!r}\nscopes = {list(scopes)!r}\n"
            f"expires_at = {(datetime.now(UTC) + ends_in).isoformat()}\n"
        )
        self._write()
        return key

    def remove_key(self, key: ApiKey) -> None:
        del self._entries[key.key_id]
        self._write()

    def environment(self) -> dict[str, str]:
        """What makes a stack use these files."""
        env = {}
        for prefix in ("AXBRIDGE_ROUTING", "AXBRIDGE_EVENTS"):
            env |= {
                f"{prefix}_CREDENTIALS_FILE": str(self.credentials_file),
                f"{prefix}_API_KEY_PEPPER_FILE": str(self.pepper_file),
                **tls_environment(prefix, self.server),
            }
        return env | tls_environment("AXBRIDGE_GATEWAY", self.gateway)

    def connect(self, key: ApiKey | None = None) -> Callable[[str], grpc.Channel]:
        """How a test reaches a service: with the client's certificate, and a key where there is one."""

        def connect(address: str) -> grpc.Channel:
            ca, own_key, own = (read(self.client.ca_file), read(self.client.key_file), read(self.client.cert_file))
            channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, own_key, own))
            return channel if key is None else grpc.intercept_channel(channel, ShowKey(key))

        return connect

    def _write(self) -> None:
        # As Kubernetes does, at once.
        written = self.credentials_file.with_suffix(".new")
        written.write_text("\n".join(self._entries.values()))
        written.rename(self.credentials_file)


def tls_environment(prefix: str, files: TlsFiles) -> dict[str, str]:
    return {
        f"{prefix}_TLS_CERT_FILE": str(files.cert_file),
        f"{prefix}_TLS_KEY_FILE": str(files.key_file),
        f"{prefix}_TLS_CA_FILE": str(files.ca_file),
    }


def read(path: Path | None) -> bytes:
    assert path is not None
    return path.read_bytes()


_Details = namedtuple("_Details", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression"))


class ShowKey(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
    grpc.StreamStreamClientInterceptor,  # type: ignore[misc]
):
    """Adds a key to every call."""

    def __init__(self, key: ApiKey) -> None:
        self._metadata = ("authorization", f"Bearer {key.text}")

    def _shown(self, details: Any) -> Any:
        return _Details(
            details.method,
            details.timeout,
            [*(details.metadata or ()), self._metadata],
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._shown(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._shown(client_call_details), request)

    def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return continuation(self._shown(client_call_details), request_iterator)

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return continuation(self._shown(client_call_details), request_iterator)
