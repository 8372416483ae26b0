"""TLS by files that are read again when they change."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from common.clock import Clock
from common.errors import InvalidArgumentError
from common.logs import get_logger
from common.reloading import ReloadedFile

# A certificate that is renewed by machine is renewed long before; this long before its end somebody should look.
WARN_BEFORE_END = timedelta(days=7)
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where our certificate (with its chain) and key stand, and the authorities by which peers are judged; PEM.

    A server with `ca_file` takes only clients with a certificate of these authorities. A client without `ca_file`
    judges servers by the system's authorities.
    """

    cert_file: Path | None = None
    key_file: Path | None = None
    ca_file: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.cert_file, self.key_file, self.ca_file) if path is not None)


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What was in the files, found to fit together."""

    certificate_chain: bytes | None
    private_key: bytes | None = field(repr=False)
    authorities: bytes | None


def load_tls(files: TlsFiles, clock: Clock) -> TlsMaterial:
    """Read and check the files. Raises OSError, or InvalidArgumentError that names the file and what is wrong with it.

    The key must be the certificate's, since between the two writes of a renewal it is not; and the certificate must be
    valid now, since a server with an expired one would start and refuse everybody.
    """
    if (files.cert_file is None) != (files.key_file is None):
        raise InvalidArgumentError("tls", "a certificate file needs its key file, and the other way round")
    chain = key = authorities = None
    if files.cert_file is not None and files.key_file is not None:
        chain, key = files.cert_file.read_bytes(), files.key_file.read_bytes()
        _check_pair(files.cert_file, chain, files.key_file, key, clock.now())
    if files.ca_file is not None:
        authorities = files.ca_file.read_bytes()
        _certificates(files.ca_file, authorities)
    return TlsMaterial(chain, key, authorities)


def open_tls(name: str, files: TlsFiles, clock: Clock) -> ReloadedFile[TlsMaterial]:
    """The files' content, read again when they change. Raises like `load_tls`."""
    return ReloadedFile(name, files.paths, lambda: load_tls(files, clock))


def server_credentials(tls: ReloadedFile[TlsMaterial]) -> grpc.ServerCredentials:
    """What a gRPC server listens with. Every handshake takes what `tls` has by then; connections that are open go on.

    With authorities in `tls` clients need a certificate. Raises InvalidArgumentError without a certificate of our own.
    """
    served = tls.current

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        # Called in a thread of the core's with each handshake; None: as before.
        nonlocal served
        current = tls.current
        if current is served:
            return None
        served = current
        return _server_configuration(current)

    # Whether clients need a certificate can't change while the server runs.
    return grpc.dynamic_ssl_server_credentials(
        _server_configuration(served),
        fetch,  # type: ignore[arg-type] # None is what the library documents
        require_client_authentication=served.authorities is not None,
    )


def _server_configuration(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    if material.private_key is None or material.certificate_chain is None:
        raise InvalidArgumentError("tls", "a server needs a certificate and its key")
    return grpc.ssl_server_certificate_configuration(
        [(material.private_key, material.certificate_chain)], material.authorities
    )


def channel_credentials(material: TlsMaterial) -> grpc.ChannelCredentials:
    """What a gRPC client connects with."""
    return grpc.ssl_channel_credentials(material.authorities, material.private_key, material.certificate_chain)


def https_context(files: TlsFiles, tls: ReloadedFile[TlsMaterial]) -> ssl.SSLContext:
    """What an HTTPS server listens with: TLS 1.2 and up. New connections get the certificate that `tls` has by then.

    With `ca_file` clients need a certificate. Raises InvalidArgumentError without a certificate of our own.
    """
    if files.cert_file is None or files.key_file is None:
        raise InvalidArgumentError("tls", "a server needs a certificate and its key")
    cert_file, key_file = files.cert_file, files.key_file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca_file is not None:
        context.load_verify_locations(files.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert_file, key_file)
    tls.on_change(_logging_failure(lambda: context.load_cert_chain(cert_file, key_file)))
    return context


def _logging_failure(load: Callable[[], None]) -> Callable[[], None]:
    def load_or_log() -> None:
        try:
            load()
        except (ssl.SSLError, OSError) as error:
            # The files were checked a moment ago, so they changed again: the next look finds that.
            _log.error("a new certificate can't be used", detail=str(error))

    return load_or_log


def _check_pair(cert_file: Path, chain: bytes, key_file: Path, key: bytes, now: datetime) -> None:
    certificate = _certificates(cert_file, chain)[0]
    try:
        private_key = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise InvalidArgumentError(str(key_file), "holds no private key that can be read without a password") from error
    if _public(certificate.public_key()) != _public(private_key.public_key()):
        raise InvalidArgumentError(str(key_file), f"is not the key of {cert_file}")
    if now >= certificate.not_valid_after_utc:
        raise InvalidArgumentError(str(cert_file), f"the certificate expired at {_written(certificate)}")
    if now < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc.isoformat()
        raise InvalidArgumentError(str(cert_file), f"the certificate is not valid before {begins}")
    if now >= certificate.not_valid_after_utc - WARN_BEFORE_END:
        _log.warning("a certificate ends soon", file=str(cert_file), expires_at=_written(certificate))


def _written(certificate: x509.Certificate) -> str:
    return certificate.not_valid_after_utc.astimezone(UTC).isoformat()


def _certificates(path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise InvalidArgumentError(str(path), "holds no certificate in PEM") from error


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded
