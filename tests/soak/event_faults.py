"""Whether an acknowledged event is ever lost: `python -m tests.soak.event_faults [--events N] [--only mutant|sound]`.

The simulated platform plays calls in XML and JSON while the event service, the gateway and PostgreSQL are killed with
SIGKILL, one by one and all at once. Then what got a 200 is compared with the log, with what a webhook's endpoint got
and with what a subscriber got; and no answer that came may have been wrong. In the mutant run before that PostgreSQL
answers commits before they are written, and the same comparison has to find losses. The exit code is 1 when a run does
not show what it should.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from simulator.checker import Rule
from tests.soak.event_judge import LogRow, Verdict, disordered, judge_log, unseen
from tests.soak.event_readers import Endpoint, Seen, Subscriber
from tests.soak.event_world import EVENTS, GATEWAY, POSTGRES, Kill, World, keep_killing, open_world

EVERYTHING = (EVENTS, GATEWAY, POSTGRES)
DECK = ((EVENTS,), (GATEWAY,), (POSTGRES,), (EVENTS,), (GATEWAY,), (POSTGRES,), EVERYTHING)
LOOK_SECONDS = 0.2
SAY_SECONDS = 15.0
LOAD_END_SECONDS = 240.0
# What killing a gateway does to the requests that it was at. Every other finding of the simulator is a wrong answer.
EXCUSED = frozenset({Rule.NO_ANSWER.name, Rule.LATE.name})


@dataclass(frozen=True)
class Run:
    """How much to play and to break. It ends when both numbers are reached."""

    events: int
    kills: int
    pauses: tuple[float, float] = (3.0, 8.0)
    deck: Sequence[Sequence[str]] = DECK
    seed: int = 1
    # A mutant run only kills PostgreSQL, which does not keep what it has committed.
    mutant: bool = False
    # Readers that get nothing new for so long have got all they will.
    patience_seconds: float = 60.0


@dataclass
class Outcome:
    """What a run came to. Readers are empty in a mutant run: a log that forgets confuses them, and nobody asks how."""

    seed: int
    acknowledged: int
    load_seconds: float
    kills: list[Kill]
    verdict: Verdict
    unseen: dict[str, int] = field(default_factory=dict)
    disordered: dict[str, int] = field(default_factory=dict)
    repetitions: dict[str, int] = field(default_factory=dict)
    drain_seconds: float = 0.0
    # How often each of the simulator's rules was broken, those that kills excuse left out; and some examples.
    wrong_answers: dict[str, int] = field(default_factory=dict)
    wrong_examples: list[str] = field(default_factory=list)
    excused_answers: int = 0

    @property
    def clean(self) -> bool:
        readers = any(self.unseen.values()) or any(self.disordered.values())
        return self.verdict.clean and not readers and not self.wrong_answers

    def lines(self) -> list[str]:
        """The outcome for people."""
        recoveries: dict[str, list[float]] = defaultdict(list)
        for each in self.kills:
            recoveries[each.victim].append(each.recovery_seconds)
        verdict = self.verdict
        return [
            f"seed {self.seed}: {self.acknowledged:,} events acknowledged in {self.load_seconds:.0f} s "
            f"({self.acknowledged / self.load_seconds:,.0f}/s, outages included), {len(self.kills)} kills",
            f"missing {verdict.missing}, twice {verdict.doubled}, out of order {verdict.out_of_order}, "
            f"partitions with gaps {len(verdict.broken_partitions)}",
            *(
                f"{reader}: {count} never seen, {self.disordered[reader]} out of order, "
                f"{self.repetitions[reader]:,} seen again"
                for reader, count in self.unseen.items()
            ),
            f"readers had everything {self.drain_seconds:.0f} s after the load's end",
            *(
                f"kill -9 of {victim}: {len(seconds)}, recovery {min(seconds):.1f} to {max(seconds):.1f} s, "
                f"median {sorted(seconds)[len(seconds) // 2]:.1f} s"
                for victim, seconds in sorted(recoveries.items())
            ),
            f"wrong answers: {self.wrong_answers or 'none'}; late or none, as kills do: {self.excused_answers}",
            *verdict.examples[:10],
            *self.wrong_examples[:10],
        ]


def _read_load_report(outcome: Outcome, path: Path) -> None:
    # The last line; there may be warnings before it.
    report = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    broken = report["broken_rules"]
    outcome.excused_answers = sum(broken.get(name, 0) for name in EXCUSED)
    outcome.wrong_answers = {name: count for name, count in broken.items() if name not in EXCUSED}
    outcome.wrong_examples = [
        f"{each['rule']}: {each['sid']}: {each['detail']}" for each in report["examples"] if each["rule"] not in EXCUSED
    ]


async def carry_out(run: Run, directory: Path) -> Outcome:
    """Start everything, play, break, wait for the readers, judge, stop everything."""
    async with AsyncExitStack() as resources:
        world = await open_world(directory, careless=run.mutant)
        resources.callback(world.postgres.stop)
        await asyncio.to_thread(world.stack.__enter__)
        resources.push(world.stack.__exit__)
        world.stack.add_tenant()
        world.stack.bind_axb()
        await world.write_down()
        readers: dict[str, Seen] = {}
        if not run.mutant:
            endpoint = await resources.enter_async_context(Endpoint())
            await endpoint.register(world.stack.events.address)
            subscriber = await resources.enter_async_context(Subscriber(world.stack.events.address))
            readers = {"webhook": endpoint.seen, "subscriber": subscriber.seen}
        try:
            acknowledged, load_seconds = await _play_and_kill(run, world)
        except BaseException:
            _say("it ended early; the last that was written:", *world.last_words())
            raise
        ended = time.monotonic()
        log, heads = await world.read_log()
        await _let_readers_finish(log, readers, run.patience_seconds)
        if not run.mutant:
            subscriber.check()
        outcome = Outcome(
            run.seed, acknowledged, load_seconds, world.kills, judge_log(world.acknowledged(), log, heads)
        )
        outcome.drain_seconds = time.monotonic() - ended
        _read_load_report(outcome, directory / "load.log")
        for name, seen in readers.items():
            outcome.unseen[name] = len(unseen(log, seen.first))
            outcome.disordered[name] = disordered(log, seen.first)
            outcome.repetitions[name] = seen.repetitions
    return outcome


async def _play_and_kill(run: Run, world: World) -> tuple[int, float]:
    """How many events were acknowledged, and in what time."""
    deck = ((POSTGRES,),) if run.mutant else run.deck
    load = world.start_load(run.seed)
    began = time.monotonic()
    stop = asyncio.Event()
    killing = asyncio.create_task(keep_killing(world, deck, random.Random(run.seed), run.pauses, stop))
    say_at = began
    try:
        while (count := _lines(world.ack_path)) < run.events or len(world.kills) < run.kills:
            if time.monotonic() >= say_at:
                took = time.monotonic() - began
                _say(f"{took:5.0f} s: {count:,} of {run.events:,} events acknowledged, {len(world.kills)} kills")
                say_at += SAY_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            assert load.running, load.log()
            if killing.done():
                break
        stop.set()
        await killing
        await asyncio.to_thread(load.terminate, LOAD_END_SECONDS)
    finally:
        if load.running:
            load.kill()
    return len(world.acknowledged()), time.monotonic() - began


async def _let_readers_finish(log: list[LogRow], readers: dict[str, Seen], patience_seconds: float) -> None:
    """Return when all readers have got all of the log, or nothing new for a while."""
    names = {row.name for row in log}
    count, changed_at = -1, time.monotonic()
    while any(names - seen.first.keys() for seen in readers.values()):
        now = sum(len(seen.first) for seen in readers.values())
        if now != count:
            count, changed_at = now, time.monotonic()
        if time.monotonic() - changed_at > patience_seconds:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _say(*lines: str) -> None:
    print(*lines, sep="\n   ", flush=True)


def _lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="fewest events that are to be acknowledged")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random choices")
    parser.add_argument(
        "--only", choices=("mutant", "sound"), help="only the run that has to find losses, or the other"
    )
    options = parser.parse_args()
    mutant = Run(events=min(options.events, 3000), kills=3, pauses=(2.0, 4.0), seed=options.seed, mutant=True)
    sound = Run(options.events, kills=len(DECK), seed=options.seed)
    runs = {"mutant": [mutant], "sound": [sound]}.get(options.only, [mutant, sound])
    failed = False
    for run in runs:
        _say("== mutant" if run.mutant else "== as it is")
        with tempfile.TemporaryDirectory() as temporary:
            outcome = asyncio.run(carry_out(run, Path(temporary)))
        _say(*outcome.lines())
        failed |= outcome.verdict.missing == 0 if run.mutant else not outcome.clean
    print("FAILED" if failed else "passed")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
