"""Names to addresses."""

import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from event_service.webhooks import resolver
from event_service.webhooks.addresses import AddressPolicy
from event_service.webhooks.resolver import AddressRefusedError, GuardedResolver, SystemLookup
from tests.unit.event_service_webhooks.conftest import FakeNames


async def test_addresses_are_returned_as_they_were_checked() -> None:
    names = FakeNames({"hook.example": [["8.8.8.8", "2606:4700::1"]]})
    found = await GuardedResolver(AddressPolicy(), names).resolve("hook.example", 443)
    assert [(each["host"], each["port"], each["family"]) for each in found] == [
        ("8.8.8.8", 443, socket.AF_INET),
        ("2606:4700::1", 443, socket.AF_INET6),
    ]
    # Numeric, so that nobody resolves it once more.
    assert all(each["flags"] & socket.AI_NUMERICHOST for each in found)
    assert {each["hostname"] for each in found} == {"hook.example"}


async def test_a_refusal_does_not_name_the_address() -> None:
    names = FakeNames({"hook.example": [["10.1.2.3"]]})
    with pytest.raises(AddressRefusedError) as refused:
        await GuardedResolver(AddressPolicy(), names).resolve("hook.example", 443)
    assert "10.1.2.3" not in str(refused.value)


async def test_a_name_server_that_is_silent_holds_up_only_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    asked: list[str] = []

    def getaddrinfo(host: str, *_args: object, **_options: object) -> list[object]:
        asked.append(host)
        if host == "silent.example":
            answer.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 0))]

    monkeypatch.setattr(resolver.socket, "getaddrinfo", getaddrinfo)
    lookup = SystemLookup()
    try:
        waiting = [asyncio.create_task(lookup("silent.example")) for _ in range(200)]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await lookup("good.example") == ["8.8.8.8"]
        for task in waiting[:100]:
            task.cancel()
        answer.set()
        async with asyncio.timeout(5):
            assert await asyncio.gather(*waiting[100:]) == [["8.8.8.8"]] * 100
        # One thread for one name, however many wait for it.
        assert asked.count("silent.example") == 1
        await lookup("silent.example")
        assert asked.count("silent.example") == 2
    finally:
        answer.set()
        lookup.close()


def test_a_lookup_that_hangs_does_not_keep_the_process_from_ending() -> None:
    program = """
import asyncio, socket, threading
from event_service.webhooks.resolver import SystemLookup
socket.getaddrinfo = lambda *_arguments, **_options: threading.Event().wait()
async def main():
    lookup = SystemLookup()
    try:
        async with asyncio.timeout(0.05):
            await lookup("silent.example")
    except TimeoutError:
        print("given up")
    lookup.close()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "given up\n"
    assert done.stderr == ""
