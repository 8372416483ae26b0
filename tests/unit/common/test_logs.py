"""Lines for programs and for people, without anybody's number."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from common.logs import configure_logging, get_logger
from tests.support.logs import restored_logging

NUMBER = "13800001111"


class Terminal(io.StringIO):
    """Says that people read it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with restored_logging():
        yield


def say(out: io.StringIO, log_format: str) -> str:
    configure_logging("gateway", log_format=log_format, out=out)
    log = get_logger("test")
    log.info("a call", calling_number=NUMBER, members=[{"number": NUMBER}], trace_id="1" * 32, took_ms=1.5)
    logging.getLogger("library").warning("it said %s", NUMBER)
    try:
        raise ValueError(f"not a number: {NUMBER}")
    except ValueError:
        log.exception("it failed")
    return out.getvalue()


def test_programs_get_a_json_object_a_line() -> None:
    first, second, third = (json.loads(line) for line in say(io.StringIO(), "auto").splitlines())
    assert first["event"] == "a call"
    assert first["service"] == second["service"] == "gateway"
    assert first["trace_id"] == "1" * 32
    assert first["took_ms"] == 1.5
    assert second["event"] == "it said 138****1111"
    assert "not a number: 138****1111" in third["exception"]


def test_people_get_text() -> None:
    text = say(Terminal(), "auto")
    assert "a call" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text.splitlines()[0])


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_nobodys_number_is_in_it(log_format: str) -> None:
    text = say(io.StringIO(), log_format)
    assert "138****1111" in text
    assert NUMBER not in text
