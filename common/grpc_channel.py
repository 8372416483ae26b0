"""Client channels between the services."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from common.auth.api_keys import parse_api_key
from common.clock import SystemClock
from common.reloading import ReloadedFile
from common.renewed_channel import RenewedChannel
from common.tls import TlsFiles, channel_credentials, open_tls

# Below the server's limit for pings without data (see common.grpc_server), or the server hangs up on us.
KEEPALIVE_TIME_SECONDS = 20
KEEPALIVE_TIMEOUT_SECONDS = 5
MAX_MESSAGE_BYTES = 32 * 1024 * 1024

_SCHEME = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|passthrough):")


@dataclass(frozen=True, slots=True)
class ChannelSecurity:
    """How a channel is protected: by TLS (None: in the clear), and by a key that goes with each call.

    `server_name` is what the server's certificate must be for, where that is not the target's host.
    """

    tls: TlsFiles | None = None
    server_name: str = ""
    api_key_file: Path | None = None


IN_THE_CLEAR = ChannelSecurity()


def resolvable(target: str) -> str:
    """The target as gRPC resolves it: `HOST:PORT` by DNS, anything with a scheme as it is."""
    return target if _SCHEME.match(target) else f"dns:///{target}"


def open_channel(target: str, security: ChannelSecurity = IN_THE_CLEAR) -> grpc.aio.Channel:
    """A channel to a service: `host:port`, `dns:///host:port` or `ipv4:ADDRESS:PORT,ADDRESS:PORT`.

    Calls are spread over every address of the name, or in the list. It connects when first used and again after every
    cut. Calls fail at once while nothing can be reached; deadlines and repetition are the caller's.

    While it is open as a context it follows changes of the files in `security`. Raises OSError or AxbridgeError when
    one of them can't be used.
    """
    options = _options()
    if security.server_name:
        options.append(("grpc.ssl_target_name_override", security.server_name))
    if security == IN_THE_CLEAR:
        return grpc.aio.insecure_channel(resolvable(target), options=options)
    api_key = None if security.api_key_file is None else open_api_key(security.api_key_file)
    if security.tls is None:
        return RenewedChannel(lambda: grpc.aio.insecure_channel(resolvable(target), options=options), None, api_key)
    tls = open_tls(f"tls of the channel to {target}", security.tls, SystemClock())

    def make() -> grpc.aio.Channel:
        return grpc.aio.secure_channel(resolvable(target), channel_credentials(tls.current), options=options)

    return RenewedChannel(make, tls, api_key)


def keepalive_options() -> list[tuple[str, int]]:
    """Options by which a channel or a server notices within 25 s that the other side is gone without a word."""
    return [
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
        # What the answer to a ping is waited for is another option, a minute by default (seen in grpcio 1.85).
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
    ]


def open_api_key(path: Path) -> ReloadedFile[str]:
    """The API key in a file, read again when it changes. Raises OSError, or UnauthenticatedError when it holds none."""
    return ReloadedFile("API key", [path], lambda: parse_api_key(path.read_text("ascii", "replace").strip()).text)


def _options() -> list[tuple[str, str | int]]:
    return [
        ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
        # Retrying is done in one layer, by the callers who know what may be repeated.
        ("grpc.enable_retries", 0),
        # An address is an address: no proxy from the environment stands between us and our own services.
        ("grpc.enable_http_proxy", 0),
        *keepalive_options(),
        ("grpc.keepalive_permit_without_calls", 1),
        # A service that is back is found quickly: a call waits for nothing that is longer than its own budget.
        ("grpc.initial_reconnect_backoff_ms", 100),
        # How long making a connection may take, in spite of the name: on a busy machine a TLS handshake needs its time,
        # and calls wait for it within their own deadlines.
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # When a replica goes, its name is looked up again, which finds those that replaced it. By default that waits
        # until 30 s after the last time, and a rolling replacement of all replicas may be over sooner.
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # Two channels to one target must not share a connection, or spreading load over them does nothing.
        ("grpc.use_local_subchannel_pool", 1),
    ]
