import io
import json
import logging
from collections.abc import Iterator

import pytest

from common.logs import configure_logging, get_logger
from common.masking import mask_number, mask_text
from tests.support.logs import restored_logging


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("13800001111", "138****1111"),
        ("+8613800001111", "+86138****1111"),
        ("02566000001", "025****0001"),
        ("66000001", "66****01"),
        ("95500", "95500"),
        ("", ""),
    ],
)
def test_masked_numbers(number: str, masked: str) -> None:
    assert mask_number(number) == masked


def test_numbers_inside_a_text_are_masked() -> None:
    assert mask_text("no binding for +8613800001111 on 95500") == "no binding for +86138****1111 on 95500"


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    with restored_logging():
        yield


@pytest.mark.usefixtures("logs_as_before")
def test_no_number_reaches_the_log_by_message_value_exception_or_library() -> None:
    out = io.StringIO()
    configure_logging("test", level="info", log_format="json", out=out)
    get_logger("t").info("call from 13800001111", called="13900001111")
    try:
        raise ValueError("bad number 13700001111")
    except ValueError:
        get_logger("t").exception("failed")
    logging.getLogger("library").warning("got %s", "13600001111")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["call from 138****1111", "failed", "got 136****1111"]
    assert all(line["service"] == "test" for line in lines)
    for number in ("13800001111", "13900001111", "13700001111", "13600001111"):
        assert number not in out.getvalue()
