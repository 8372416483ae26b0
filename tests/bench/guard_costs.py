"""What the guards cost: microseconds for each of their steps, the best of several rounds.

.venv/bin/python -m tests.bench.guard_costs
"""

import asyncio
import timeit
from collections.abc import Callable
from datetime import UTC, datetime

from axbridge.routing.v1.routing_service_pb2 import ResolveBatchRequest, ResolveQuery

from common.auth.api_keys import Pepper, generate_api_key
from common.auth.credentials import Credentials, KeyEntry
from common.auth.grants import Grant, Scope
from common.auth.sessions import Presented, Session
from common.clock import SystemClock
from common.limits.token_bucket import LocalRateLimiter, RateLimit
from gateway.forwarded import TrustedProxies, parse_network
from gateway.platform_access import Sender, generate_token, parse_access, token_digest, token_hash
from routing_service.access import REQUIREMENTS

ROUNDS, TIMES = 7, 2000
BATCH = "/axbridge.routing.v1.RoutingService/ResolveBatch"


def microseconds(step: Callable[[], object]) -> float:
    return min(timeit.repeat(step, number=TIMES, repeat=ROUNDS)) / TIMES * 1e6


def grpc_steps() -> dict[str, Callable[[], object]]:
    pepper, key, clock = Pepper(b"p" * 32), generate_api_key(), SystemClock()
    grant = Grant("gateway", key.key_id, None, frozenset({Scope.GATEWAY}))
    credentials = Credentials({key.key_id: KeyEntry(pepper.hash(key), grant)}, {"dns:gateway": grant}, pepper)
    request = ResolveBatchRequest(queries=[ResolveQuery(tenant_id=f"{number}") for number in range(256)])
    now = datetime.now(UTC)

    def batch(presented: Presented) -> Callable[[], object]:
        def check() -> object:
            return Session(lambda: credentials, presented, REQUIREMENTS[BATCH], clock).check_message(request)

        return check

    return {
        "an API key looked up and compared": lambda: credentials.by_key(key.text, now),
        "ResolveBatch of 256 with a key": batch(Presented(key.text)),
        "ResolveBatch of 256 with a certificate": batch(Presented(None, ("dns:gateway",))),
    }


def entrance_steps() -> dict[str, Callable[[], object]]:
    tokens = {f"{number}": generate_token() for number in range(1000)}
    access = parse_access(
        "".join(
            f'[[tenant]]\nid = "{tenant}"\nnetworks = ["203.0.113.0/24"]\ntokens = ["{token_hash(token)}"]\n'
            for tenant, token in tokens.items()
        )
    )
    proxies = TrustedProxies([parse_network("10.0.0.0/8", "proxies")])
    headers = ["203.0.113.9, 10.0.0.7"]
    token = tokens["500"]

    def admit() -> bool:
        return access.admits(Sender(proxies.sender("10.0.0.1", headers), token_digest(token)), "500")

    limiter, limit = LocalRateLimiter(SystemClock()), RateLimit.of(1e9)
    return {
        "platform: proxies walked, network and token compared, of 1,000 tenants": admit,
        "platform: a token taken from its bucket": lambda: limiter.allow_now("query:500", limit),
    }


def main() -> None:
    assert asyncio.run(LocalRateLimiter(SystemClock()).allow("a", RateLimit.of(1)))
    for name, step in {**grpc_steps(), **entrance_steps()}.items():
        print(f"{microseconds(step):8.2f} µs  {name}")


if __name__ == "__main__":
    main()
