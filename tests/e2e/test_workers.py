"""Two gateway processes on one port: what their clients notice when one dies, and when all are told to end."""

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.stack import ACCESS, TENANT, A, Stack

CLIENTS = 8
PATIENCE_SECONDS = 30.0
BODY = (
    f'{{"sid":"s1","vccId":"{TENANT}","callId":"c1","seq":"1","method":"query","callingNumber":"{A}",'
    f'"accessNumber":"{ACCESS}"}}'
)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    # It ends as soon as everybody has left, however long a busy machine lets them take for that.
    env = {"AXBRIDGE_GATEWAY_WORKERS": "2", "AXBRIDGE_GATEWAY_LAME_DUCK_SECONDS": "10"}
    with Stack(tmp_path, env) as stack:
        stack.add_tenant()
        stack.bind_axb()
        yield stack


class Platform:
    """A client that asks without pause, over a connection that it keeps until it is told to go elsewhere."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = host, int(port)
        self.answered = 0
        self.failures: list[str] = []
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE_SECONDS)
        try:
            while not self.stop.is_set() and self._ask(connection):
                pass
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> bool:
        """Ask once; whether the connection may be used again."""
        connection.request("POST", "/v1/calls", BODY, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200 or '"result":"0000"' not in text:
            self.failures.append(text)
        self.answered += 1
        return not answer.will_close


def workers(stack: Stack) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(stack.gateway.child.pid).children():
        try:
            if each.status() != psutil.STATUS_ZOMBIE and "gateway" in each.cmdline():
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return found


def test_ended_under_load_nobody_loses_a_request(stack: Stack) -> None:
    assert len(workers(stack)) == 2
    platforms = [Platform(stack.gateway.address) for _ in range(CLIENTS)]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while min(each.answered for each in platforms) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stack.gateway.stop() == 0, stack.gateway.child.log()
    for platform in platforms:
        platform.join()
    assert [failure for platform in platforms for failure in platform.failures] == []
    assert min(each.answered for each in platforms) >= 20


def test_a_worker_that_is_killed_is_replaced(stack: Stack) -> None:
    victim, other = workers(stack)
    victim.kill()
    platform = Platform(stack.gateway.address)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(workers(stack)) < 2 or stack.gateway.child.log().count("worker listening") < 3:
        assert time.monotonic() < deadline, stack.gateway.child.log()
        time.sleep(0.02)
    platform.stop.set()
    platform.join()
    # It was the other one that answered meanwhile: who connects is never left to a worker that is gone.
    assert platform.failures == []
    assert platform.answered
    assert other.pid in {each.pid for each in workers(stack)}
    assert "a worker died" in stack.gateway.child.log()
