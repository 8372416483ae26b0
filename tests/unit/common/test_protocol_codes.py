import pytest

from common import protocol_codes
from common.lifecycle import parse_announcement
from common.protocol_codes import CallResult, EventCode, ProtocolCode
from common.trace_ids import query_span_id, trace_id_bytes, trace_id_for

TABLES = [
    table
    for table in vars(protocol_codes).values()
    if isinstance(table, type) and issubclass(table, ProtocolCode) and table is not ProtocolCode
]


def test_the_protocols_codes_are_all_named() -> None:
    assert [code.text for code in EventCode] == ["15", "16", "22", "30", "31", "32", "40", "42", "43", "44"]
    assert " ".join(result.text for result in CallResult) == (
        "00 01 02 03 04 05 06 11 12 13 18 20 21 22 23 24 101 102 103 104 108 109 110 113 180"
    )


@pytest.mark.parametrize("table", TABLES)
def test_every_value_is_found_and_has_both_meanings(table: type[ProtocolCode]) -> None:
    for member in table:
        assert table.lookup(member.text) is member
        assert member.english
        assert any("\u4e00" <= character <= "\u9fff" for character in member.chinese)


def test_unknown_values_are_described_not_refused() -> None:
    assert EventCode.lookup("99") is None
    assert EventCode.describe("99") == "unknown (99)"
    # Codes are text: 2 is not 02.
    assert CallResult.lookup("2") is None


def test_a_call_has_one_trace_and_calls_do_not_share_it() -> None:
    assert trace_id_for("100001", "s1") == trace_id_for("100001", "s1")
    assert trace_id_for("ab", "c") != trace_id_for("a", "bc")
    assert bytes.fromhex(trace_id_for("100001", "s1")) == (trace_id := trace_id_bytes("100001", "s1"))
    assert query_span_id(trace_id) == query_span_id(trace_id) != query_span_id(trace_id_bytes("100001", "s2"))


def test_only_announcements_are_read_as_such() -> None:
    assert parse_announcement("axbridge: gateway listening on 127.0.0.1:8080\n") == ("gateway", "127.0.0.1:8080")
    assert parse_announcement("gateway listening on 127.0.0.1:8080") is None
