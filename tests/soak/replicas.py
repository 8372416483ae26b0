"""Several routing services on one PostgreSQL and one Redis, all real, all to be broken."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.stack import Service

ROOT = Path(__file__).resolve().parents[2]
NORMAL, NAIVE, DYING = "routing_service", "tests.soak.naive_service", "tests.soak.dying_service"


class Replicas:
    """The servers and the services, in a directory of their own; `modules` says what each service runs.

    Without `start` the services are left for somebody else to start.
    """

    def __init__(
        self, directory: Path, modules: Sequence[str], env: dict[str, str] | None = None, *, start: bool = True
    ) -> None:
        self.directory = directory
        # Durability is not what is looked at here, and the disk is shared.
        self.postgres = PostgresServer(directory / "postgres", {"fsync": "off"})
        self.redis = RedisServer(directory / "redis")
        self._modules = modules
        self._start = start
        self._env = env or {}
        self.services: list[Service] = []

    async def __aenter__(self) -> "Replicas":
        self.postgres.start()
        self.redis.start()
        env = {
            "AXBRIDGE_ROUTING_DATABASE_URL": await self.postgres.create_database(),
            "AXBRIDGE_ROUTING_REDIS_URL": self.redis.url,
            "AXBRIDGE_ROUTING_TENANT_READS_PER_SECOND": "0",
            "AXBRIDGE_ROUTING_TENANT_WRITES_PER_SECOND": "0",
            "AXBRIDGE_ROUTING_CACHE_ABSENT_READS_PER_SECOND": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            **self._env,
        }
        subprocess.run([sys.executable, "-m", "routing_service.migrate"], env={**os.environ, **env}, check=True)
        for number, module in enumerate(self._modules):
            directory = self.directory / f"replica{number}"
            directory.mkdir()
            self.services.append(Service(module, "AXBRIDGE_ROUTING", directory, env))
        if self._start:
            for service in self.services:
                service.launch()
            await asyncio.gather(*(asyncio.to_thread(service.wait) for service in self.services))
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None:
            error.add_note(self.logs())
        for service in self.services:
            if not service.has_started:
                continue
            service.child.thaw()
            if service.child.running:
                service.child.kill()
        self.redis.stop()
        self.postgres.stop()

    @property
    def addresses(self) -> list[str]:
        return [service.address for service in self.services]

    def logs(self) -> str:
        """The end of each service's log."""
        return "\n".join(f"--- {each.name}\n{each.child.log()[-3000:]}" for each in self.services if each.has_started)
