"""The services on a PostgreSQL, all real, all to be killed; and the one who kills them."""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg

from common.sql import open_engine
from event_service.migrate import migrate
from tests.soak.event_judge import EventName, LogRow
from tests.support.http import JSON
from tests.support.postgres import PostgresServer
from tests.support.processes import ChildProcess
from tests.support.stack import TENANT, Service, Stack

ROOT = Path(__file__).resolve().parents[2]
EVENTS, GATEWAY, POSTGRES = "event_service", "gateway", "PostgreSQL"
RECOVERY_SECONDS = 60.0
PROBE_PAUSE_SECONDS = 0.05
# Nothing is written before somebody has to: then a crash of the server alone shows what an early answer is worth.
CARELESS_POSTGRES = {
    "synchronous_commit": "off",
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "1GB",
    "wal_buffers": "64MB",
    "bgwriter_lru_maxpages": "0",
    "checkpoint_timeout": "1h",
}


@dataclass(frozen=True, slots=True)
class Kill:
    """One fault: who was killed, and how long after that until an event got its 200."""

    victim: str
    recovery_seconds: float


@dataclass
class World:
    """What a run works with. `probes` are the events that the one who kills has sent and got acknowledged."""

    directory: Path
    postgres: PostgresServer
    stack: Stack
    database_url: str
    kills: list[Kill] = field(default_factory=list)
    probes: list[EventName] = field(default_factory=list)

    @property
    def ack_path(self) -> Path:
        return self.directory / "acknowledged.jsonl"

    def acknowledged(self) -> list[EventName]:
        """What the platform has got its 200 for, in that order, and the probes."""
        lines = map(json.loads, self.ack_path.read_text(encoding="utf-8").splitlines())
        return [*(EventName(line["sid"], line["callId"], line["seq"], line["code"]) for line in lines), *self.probes]

    async def read_log(self) -> tuple[list[LogRow], dict[int, int]]:
        """The whole log and its heads, as the database has them."""
        connection = await asyncpg.connect(self.database_url.replace("+asyncpg", ""))
        try:
            rows = await connection.fetch(
                "SELECT partition_id, log_offset, session_id, call_id, seq, code FROM events"
                " ORDER BY partition_id, log_offset"
            )
            heads = await connection.fetch("SELECT partition_id, last_offset FROM partition_heads")
        finally:
            await connection.close()
        return [LogRow(row[0], row[1], EventName(*row[2:])) for row in rows], {row[0]: row[1] for row in heads}

    async def write_down(self) -> None:
        """Put what is there so far on disk, also where commits are answered before that: a careless PostgreSQL is to
        lose events, not its tables."""
        connection = await asyncpg.connect(self.database_url.replace("+asyncpg", ""))
        try:
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()

    def last_words(self) -> list[str]:
        """The ends of what the processes have written."""
        children = [(each.name, each.child) for each in self.stack.services] + [(POSTGRES, self.postgres.child)]
        return [f"{name} (exit code {child.process.poll()}):\n{child.log()[-2000:]}" for name, child in children]

    def start_load(self, seed: int) -> ChildProcess:
        command = [sys.executable, "-m", "tests.soak.event_load", "--url", self.stack.calls_url]
        command += ["--ack-file", str(self.ack_path), "--seed", str(seed)]
        return ChildProcess(command, self.directory / "load.log", env=tests_path())


def tests_path() -> dict[str, str]:
    """Environment in which `tests` can be imported."""
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}


async def open_world(directory: Path, *, careless: bool) -> World:
    """Start PostgreSQL and make the database; the services are started by entering `world.stack`."""
    postgres = PostgresServer(directory / "postgres", CARELESS_POSTGRES if careless else None)
    await asyncio.to_thread(postgres.start)
    url = await postgres.create_database()
    env = {
        **tests_path(),
        "AXBRIDGE_EVENTS_DATABASE_URL": url,
        "AXBRIDGE_EVENTS_WEBHOOKS_ALLOW_HTTP": "true",
        "AXBRIDGE_EVENTS_WEBHOOKS_ALLOWED_PORTS": "1024-65535",
        "AXBRIDGE_EVENTS_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.1/32",
        # A killed deliverer's messages are taken over soon: there is one clock here.
        "AXBRIDGE_EVENTS_WEBHOOKS_LEASE_MARGIN_SECONDS": "1",
    }
    engine = open_engine(url, pool_size=1)
    await migrate(engine)
    await engine.dispose()
    stack = Stack(directory, env)
    if careless:
        stack.events.name = "tests.soak.careless_event_service"
    return World(directory, postgres, stack, url)


async def kill(world: World, victims: Sequence[str]) -> None:
    """kill -9 these at once, start them again, and wait until an event gets its 200. Raises AssertionError if none."""
    services = [each for each in (world.stack.events, world.stack.gateway) if _kind(each) in victims]
    killed = [each.child for each in services]
    if POSTGRES in victims:
        killed.append(world.postgres.child)
    began = time.monotonic()
    for child in killed:
        # Stopped first, so that nobody lives on for a moment after the first one's death and writes something down.
        child.freeze()
        await asyncio.to_thread(child.kill)
    # The event service does not start without its database.
    if POSTGRES in victims:
        await asyncio.to_thread(world.postgres.start)
    for service in services:
        service.launch()
    for service in services:
        await asyncio.to_thread(service.wait)
    await _probe(world, began + RECOVERY_SECONDS)
    world.kills.append(Kill(" and ".join(victims), time.monotonic() - began))


def _kind(service: Service) -> str:
    return GATEWAY if service.name == GATEWAY else EVENTS


async def _probe(world: World, give_up_at: float) -> None:
    name = EventName(f"probe{len(world.probes)}", "c1", "1", "15")
    fields = {"sid": name.session_id, "vccId": TENANT, "callId": name.call_id, "seq": name.seq, "method": "event"}
    body = json.dumps({**fields, "chargeExt": "", "code": name.code})
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=6)) as session:
        while True:
            try:
                async with session.post(world.stack.calls_url, data=body, headers={"Content-Type": JSON}) as answer:
                    if answer.status == 200:
                        world.probes.append(name)
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            assert time.monotonic() < give_up_at, "no event was acknowledged after a kill"
            await asyncio.sleep(PROBE_PAUSE_SECONDS)


async def keep_killing(
    world: World, decks: Sequence[Sequence[str]], rng: random.Random, pauses: tuple[float, float], stop: asyncio.Event
) -> None:
    """Kill until told to stop: all of `decks` in a random order, then again, with a pause of random length before
    each. What was begun is brought to its end."""
    while True:
        for victims in rng.sample(decks, len(decks)):
            try:
                await asyncio.wait_for(stop.wait(), rng.uniform(*pauses))
            except TimeoutError:
                await kill(world, victims)
            else:
                return
