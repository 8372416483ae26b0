"""What traces cost: processor time of the gateway and the routing service for each query, by the share of traced calls.

.venv/bin/python -m tests.bench.tracing

Processor time, since a machine that is busy with other things changes rates more than traces do. The stacks take
turns, round by round, and stand still in between; a receiver really takes the spans. The rates stand beside.
"""

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.load import Load, Traffic, closed_loop
from tests.support.otlp import OtlpReceiver
from tests.support.redis import RedisServer
from tests.support.stack import ACCESS, TENANT, A, Stack

RATIOS = ("off", "0", "0.01", "0.1", "1")
QUERY = (
    f"<request><sid>sNNNNNNNN</sid><vccId>{TENANT}</vccId><callId>cNNNNNNNN</callId><seq>1</seq><method>query</method>"
    f"<callingNumber>{A}</callingNumber><accessNumber>{ACCESS}</accessNumber></request>"
)
TRAFFIC = Traffic(QUERY, "application/xml", "<result>0000</result>")


@dataclass
class Measured:
    """One stack, and what its rounds showed: microseconds of processor time for each query, queries a second."""

    stack: Stack
    costs_us: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @property
    def processor_seconds(self) -> float:
        services = (self.stack.gateway, self.stack.routing)
        members = [member for service in services for member in service.child.family()]
        return sum(sum(member.cpu_times()[:2]) for member in members)


def environment(ratio: str, receiver: OtlpReceiver, redis_url: str) -> dict[str, str]:
    env = {"AXBRIDGE_ROUTING_REDIS_URL": redis_url, "AXBRIDGE_GATEWAY_TENANT_QUERIES_PER_SECOND": "0"}
    # What is measured is queries: their records would keep a third process busy, also while others are measured.
    env |= {"AXBRIDGE_GATEWAY_RECORD_DECISIONS": "false", "AXBRIDGE_GATEWAY_REQUEST_LINES_PER_SECOND": "0"}
    env |= {"AXBRIDGE_ROUTING_REQUEST_LINES_PER_SECOND": "0"}
    if ratio == "off":
        return env
    for service in ("GATEWAY", "ROUTING"):
        prefix = f"AXBRIDGE_{service}"
        env |= {f"{prefix}_TRACE_EXPORTER": "otlp-grpc", f"{prefix}_OTLP_ENDPOINT": receiver.grpc_endpoint}
        env |= {f"{prefix}_TRACE_SAMPLE_RATIO": ratio}
    return env


def measure(one: Measured, arguments: argparse.Namespace, first: int) -> Load:
    for service in one.stack.services:
        service.child.thaw()
    before = one.processor_seconds
    load = closed_loop(
        one.stack.calls_url, TRAFFIC, connections=arguments.connections, seconds=arguments.seconds, first=first
    )
    spent = one.processor_seconds - before
    for service in one.stack.services:
        service.child.freeze()
    one.costs_us.append(spent / (load.requests_per_second * arguments.seconds) * 1e6)
    one.rates.append(load.requests_per_second)
    return load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=64)
    arguments = parser.parse_args()
    wrong = 0
    with ExitStack() as stack, tempfile.TemporaryDirectory() as directory:
        redis = RedisServer(Path(directory))
        redis.start()
        stack.callback(redis.stop)
        receiver = stack.enter_context(OtlpReceiver())
        candidates: dict[str, Measured] = {}
        for ratio in RATIOS:
            folder = Path(directory) / ratio
            folder.mkdir()
            # Databases of the cache of their own.
            url = f"{redis.url.rpartition('/')[0]}/{len(candidates)}"
            running = stack.enter_context(Stack(folder, environment(ratio, receiver, url)))
            running.add_tenant()
            running.bind_axb()
            candidates[ratio] = Measured(running)
        for one in candidates.values():
            for service in one.stack.services:
                service.child.freeze()
        for one in candidates.values():
            measure(one, arguments, 0)
            one.costs_us.clear()
            one.rates.clear()
        for number in range(1, arguments.rounds + 1):
            for one in candidates.values():
                wrong += measure(one, arguments, number * 10_000_000 // 2).wrong
        base = statistics.median(candidates["0"].costs_us)
        print(f"spans received: {len(receiver.spans)}; wrong answers: {wrong}")
        print("| traced | µs of processor a query | against none | queries/s |")
        print("|---|---|---|---|")
        for ratio, one in candidates.items():
            cost = statistics.median(one.costs_us)
            print(f"| {ratio} | {cost:.1f} | {cost / base:.3f} | {statistics.median(one.rates):.0f} |")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
