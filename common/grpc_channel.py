"""Client channels between the services."""

import json

import grpc.aio

# Below the server's limit for pings without data (see common.grpc_server), or the server hangs up on us.
KEEPALIVE_TIME_SECONDS = 20
KEEPALIVE_TIMEOUT_SECONDS = 5
MAX_MESSAGE_BYTES = 32 * 1024 * 1024


def open_channel(target: str) -> grpc.aio.Channel:
    """A channel to a service: `host:port`, or `dns:///host:port` to spread calls over every address of the name.

    It connects when first used and again after every cut. Calls fail at once while nothing can be reached; deadlines
    and repetition are the caller's.
    """
    service_config = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
    return grpc.aio.insecure_channel(
        target if "://" in target else f"dns:///{target}",
        options=[
            ("grpc.service_config", service_config),
            # Retrying is done in one layer, by the callers who know what may be repeated.
            ("grpc.enable_retries", 0),
            ("grpc.keepalive_time_ms", KEEPALIVE_TIME_SECONDS * 1000),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
            ("grpc.keepalive_permit_without_calls", 1),
            # A service that is back is found quickly: a call waits for nothing that is longer than its own budget.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            # Two channels to one target must not share a connection, or spreading load over them does nothing.
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )
