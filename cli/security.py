"""How the command line proves who it is, and whom it believes: options of the root command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
import typer

# Typer has a click of its own, and its contexts are not those of the package of that name.
from typer._click.globals import get_current_context

from common.auth.api_keys import parse_api_key
from common.auth.exposure import is_loopback
from common.auth.unmasking import UNMASK_METADATA
from common.clock import SystemClock
from common.errors import AxbridgeError, InvalidArgumentError
from common.grpc_channel import (
    MAX_MESSAGE_BYTES,
    ChannelSecurity,
    keepalive_options,
    resolvable,
)
from common.tls import TlsFiles, channel_credentials, load_tls

ApiKeyFile = Annotated[
    Path | None, typer.Option("--api-key-file", envvar="AXBRIDGE_API_KEY_FILE", help="File with the API key to show.")
]
Tls = Annotated[
    bool, typer.Option("--tls", envvar="AXBRIDGE_TLS", help="Use TLS, judging servers by the system's authorities.")
]
TlsCaFile = Annotated[
    Path | None,
    typer.Option("--tls-ca-file", envvar="AXBRIDGE_TLS_CA_FILE", help="Use TLS, judging servers by these authorities."),
]
TlsCertFile = Annotated[
    Path | None,
    typer.Option("--tls-cert-file", envvar="AXBRIDGE_TLS_CERT_FILE", help="Own certificate for mutual TLS, PEM."),
]
TlsKeyFile = Annotated[
    Path | None, typer.Option("--tls-key-file", envvar="AXBRIDGE_TLS_KEY_FILE", help="Its private key, PEM.")
]
TlsServerName = Annotated[
    str,
    typer.Option("--tls-server-name", envvar="AXBRIDGE_TLS_SERVER_NAME", help="Name in the server's certificate."),
]

IN_THE_CLEAR = ChannelSecurity()


def current_security() -> ChannelSecurity:
    """What the root command was told; nothing where no command is running."""
    context = get_current_context(silent=True)
    told = None if context is None else context.find_root().obj
    return told if isinstance(told, ChannelSecurity) else IN_THE_CLEAR


def is_unmasking() -> bool:
    """Whether the command that runs was given --unmask."""
    context = get_current_context(silent=True)
    return context is not None and bool(context.params.get("unmask"))


@dataclass(frozen=True, slots=True)
class Way:
    """A channel, and what goes with each call over it."""

    channel: grpc.Channel
    metadata: tuple[tuple[str, str], ...]


def open_way(target: str, security: ChannelSecurity, *, unmask: bool = False) -> Way:
    """A channel for one command, whose calls ask for whole numbers with `unmask`, or when the command was told to.

    Raises AxbridgeError when a file can't be used, or a key would go in the clear.
    """
    options: list[tuple[str, str | int]] = [
        ("grpc.enable_retries", 0),
        # An address is an address: no proxy from the environment stands between us and our own services.
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A stream has no deadline: without pings one whose machine is gone would be waited for without end.
        *keepalive_options(),
    ]
    if security.server_name:
        options.append(("grpc.ssl_target_name_override", security.server_name))
    key = api_key_of(target, security)
    metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {key}"),) if key else ()
    if unmask or is_unmasking():
        metadata += (UNMASK_METADATA,)
    if security.tls is None:
        return Way(grpc.insecure_channel(resolvable(target), options=options), metadata)
    try:
        material = load_tls(security.tls, SystemClock())
    except OSError as error:
        raise InvalidArgumentError("tls", f"can't read {error.filename}: {error.strerror}") from error
    return Way(grpc.secure_channel(resolvable(target), channel_credentials(material), options=options), metadata)


def api_key_of(target: str, security: ChannelSecurity) -> str:
    """The key to show to `target`; empty: none. Raises AxbridgeError when the file can't be used, or the key would go
    in the clear."""
    path = security.api_key_file
    if path is None:
        return ""
    if security.tls is None and not is_loopback(target):
        raise InvalidArgumentError("api_key_file", f"the key would go to {target} in the clear; add --tls-ca-file")
    try:
        return parse_api_key(path.read_text("ascii", "replace").strip()).text
    except OSError as error:
        raise InvalidArgumentError("api_key_file", f"can't read {path}: {error.strerror}") from error
    except AxbridgeError as error:
        raise InvalidArgumentError("api_key_file", f"what {path} holds is no API key") from error


def security_of(
    api_key_file: Path | None,
    tls: bool,
    ca_file: Path | None,
    own: tuple[Path | None, Path | None],
    server_name: str,
) -> ChannelSecurity:
    """What the options of the root command say."""
    files = TlsFiles(own[0], own[1], ca_file)
    return ChannelSecurity(files if tls or files.paths else None, server_name, api_key_file)
