"""Redis as a cluster of three, and behind a sentinel."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from tests.support.processes import ChildProcess, free_port
from tests.support.redis import REDIS_PROGRAM, RedisServer

READY_SECONDS = 30.0
SLOTS = 16384


class ClusterOfThree:
    """Three nodes that share the slots among them, without replicas."""

    def __init__(self, directory: Path, *, program: Path = REDIS_PROGRAM) -> None:
        self._bus_ports = [free_port() for _ in range(3)]
        self.nodes = [
            RedisServer(
                directory / f"node{number}",
                {"cluster-enabled": "yes", "cluster-node-timeout": "1000", "cluster-port": str(bus_port)},
                program=program,
            )
            for number, bus_port in enumerate(self._bus_ports)
        ]

    @property
    def url(self) -> str:
        return "cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Start the nodes and make a cluster of them. Raises TimeoutError."""
        for node in self.nodes:
            node.start()
        clients = [redis.Redis(port=node.port, socket_timeout=2) for node in self.nodes]
        for number, client in enumerate(clients):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            _run(client, "CLUSTER", "ADDSLOTSRANGE", first, last)
            _run(client, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, bus_port in zip(self.nodes[1:], self._bus_ports[1:], strict=True):
            _run(clients[0], "CLUSTER", "MEET", "127.0.0.1", node.port, bus_port)
        _wait_until(lambda: all(_cluster_is_ok(client) for client in clients), "the cluster did not form")
        for client in clients:
            client.close()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


class Sentinel:
    """A primary with one replica, watched by one sentinel, which is enough to promote the replica."""

    SERVICE = "axbridge"

    def __init__(self, directory: Path, *, program: Path = REDIS_PROGRAM) -> None:
        self.primary = RedisServer(directory / "primary", program=program)
        self.replica = RedisServer(
            directory / "replica",
            {"replicaof": f"127.0.0.1 {self.primary.port}", "repl-diskless-sync-delay": "0"},
            program=program,
        )
        self.directory = directory
        self.port = free_port()
        self._program = program
        self._child: ChildProcess | None = None

    @property
    def url(self) -> str:
        return f"sentinel://127.0.0.1:{self.port}/{self.SERVICE}"

    def start(self) -> None:
        """Start all three and wait until the sentinel knows of both servers. Raises TimeoutError."""
        self.primary.start()
        self.replica.start()
        configuration = self.directory / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
            f"sentinel monitor {self.SERVICE} 127.0.0.1 {self.primary.port} 1\n"
            f"sentinel down-after-milliseconds {self.SERVICE} 500\n"
            f"sentinel failover-timeout {self.SERVICE} 3000\n"
        )
        self._child = ChildProcess(
            [str(self._program), str(configuration), "--sentinel"], self.directory / "sentinel.log"
        )
        client = redis.Redis(port=self.port, socket_timeout=2)
        _wait_until(lambda: self._knows_the_replica(client), f"the sentinel did not start:\n{self._child.log()}")
        client.close()

    def primary_port(self) -> int:
        """Which server the sentinel takes for the primary now."""
        client = redis.Redis(port=self.port, socket_timeout=2)
        try:
            return int(_run(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.SERVICE)[1])
        finally:
            client.close()

    def stop(self) -> None:
        if self._child is not None and self._child.running:
            self._child.terminate()
        self.replica.stop()
        self.primary.stop()

    def _knows_the_replica(self, client: "redis.Redis") -> bool:
        try:
            replicas = _run(client, "SENTINEL", "REPLICAS", self.SERVICE)
        except redis.RedisError:
            return False
        return any(each[b"master-link-status"] == b"ok" for each in replicas)


def _run(client: Any, *command: str | int) -> Any:
    return client.execute_command(*command)


def _cluster_is_ok(client: "redis.Redis") -> bool:
    return b"cluster_state:ok" in _run(client, "CLUSTER", "INFO")


def _wait_until(ready: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.05)
