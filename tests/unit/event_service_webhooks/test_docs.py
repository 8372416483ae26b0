"""The examples of docs/webhooks.md do what the page says."""

import asyncio
import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from event_service.webhooks.schedule import DEFAULT_DELAYS_SECONDS
from event_service.webhooks.signing import new_secret, secret_text, signature_headers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "webhooks.md"
BODY = b'{"type": "call.event", "subject": "s1", "data": {"code_text": "callee ringing"}}'


def example(name: str) -> ModuleType:
    """The module that the page shows under this name."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (source,) = [block for block in blocks if block.startswith(f"# {name}.py")]
    module = ModuleType(name)
    exec(compile(source, f"{PAGE}:{name}", "exec"), module.__dict__)
    return module


def test_verifying_by_hand() -> None:
    is_genuine = example("verify_by_hand").is_genuine
    key, other = new_secret(), new_secret()
    now = int(time.time())
    headers = signature_headers([other, key], "evt_1", now, BODY)
    assert is_genuine(secret_text(key), headers, BODY)
    assert is_genuine(secret_text(other), headers, BODY)
    assert not is_genuine(secret_text(new_secret()), headers, BODY)
    assert not is_genuine(secret_text(key), headers, BODY + b" ")
    assert not is_genuine(secret_text(key), {**headers, "webhook-id": "evt_2"}, BODY)
    old = signature_headers([key], "evt_1", now - 301, BODY)
    assert not is_genuine(secret_text(key), old, BODY)


def test_the_receiver_with_the_library(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    key = new_secret()
    monkeypatch.setenv("WEBHOOK_SECRET", secret_text(key))
    app = example("receiver_with_library").app

    async def post(headers: dict[str, str]) -> int:
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/calls",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, receive, send)
        status: int = sent[0]["status"]
        return status

    genuine = signature_headers([key], "evt_1", int(time.time()), BODY)
    assert asyncio.run(post(genuine)) == 204
    assert capsys.readouterr().out == "call.event s1 callee ringing\n"
    assert asyncio.run(post({**genuine, "webhook-id": "evt_2"})) == 401


def test_the_table_of_attempts_is_the_schedule() -> None:
    def seconds(text: str) -> int:
        units = {"s": 1, "min": 60, "h": 3600}
        parts = text.split()
        total = sum(int(n) * units[unit] for n, unit in zip(parts[::2], parts[1::2], strict=False))
        # `2 h 35` leaves the minutes without their unit.
        return total + (60 * int(parts[-1]) if len(parts) % 2 else 0)

    lines = PAGE.read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith("| after the one before |")]
    shown = [cell.strip() for cell in row.strip("|").split("|")][2:]
    assert [seconds(cell) for cell in shown] == list(DEFAULT_DELAYS_SECONDS)
    (row,) = [line for line in lines if line.startswith("| since the first |")]
    shown = [cell.strip() for cell in row.strip("|").split("|")][2:]
    passed = [sum(DEFAULT_DELAYS_SECONDS[: number + 1]) for number in range(9)]
    # To the minute: the 5 s of the second attempt are left out.
    assert [seconds(cell) // 60 for cell in shown] == [each // 60 for each in passed]
