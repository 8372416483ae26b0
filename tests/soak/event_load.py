"""The platform, played until SIGTERM: `python -m tests.soak.event_load --url URL --ack-file FILE`.

It is the simulator with two differences: it plays on until it is told to stop, and it pauses when nobody answers, so
that it does not take the machine from the services that are just starting.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path

import uvloop

from simulator.ack_file import AckFile
from simulator.checker import ANY_RESULT
from simulator.messages import WireAnswer, WireRequest
from simulator.plan import Dialing, Faults, Load, RunSettings
from simulator.player import Player, real_surroundings
from simulator.report import Report
from simulator.transport import HttpTransport, NoAnswerError
from tests.support.stack import ACCESS, TENANT, A, B

ENDLESS = 100_000_000
RETRY_SECONDS = 180.0
PAUSE_SECONDS = 0.2


class PausingTransport:
    """HTTP that takes a breath when nobody answers."""

    def __init__(self, inner: HttpTransport) -> None:
        self._inner = inner

    async def post(self, url: str, request: WireRequest) -> WireAnswer:
        try:
            return await self._inner.post(url, request)
        except NoAnswerError:
            await asyncio.sleep(PAUSE_SECONDS)
            raise


async def play(url: str, ack_path: Path, seed: int, concurrency: int) -> Report:
    """Play until SIGTERM; calls in flight then go on to their end."""
    settings = RunSettings(
        url=url,
        tenant_id=TENANT,
        dialings=(Dialing(A, ACCESS, B),),
        seed=seed,
        run_id=f"soak{seed}",
        load=Load(ENDLESS, concurrency=concurrency),
        faults=Faults(duplicates=0.05, reorder=0.05, retry_seconds=RETRY_SECONDS),
        expected_result=ANY_RESULT,
    )
    with AckFile(ack_path) as acks:
        async with HttpTransport(connections=concurrency * 2) as transport:
            player = Player(settings, PausingTransport(transport), real_surroundings(acks))
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, player.stop)
            return await player.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--ack-file", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=48)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(play(options.url, options.ack_file, options.seed, options.concurrency))
    print(json.dumps(report.as_dict()))


if __name__ == "__main__":
    main()
