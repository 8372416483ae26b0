"""The player sends what was planned, checks what comes back, and counts it; the gateway here is a fake."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import xmltodict

from simulator.ack_file import AckFile
from simulator.checker import Rule
from simulator.messages import WireAnswer, WireRequest
from simulator.plan import Dialing, Faults, Load, RunSettings, WireFormat
from simulator.player import Player, Surroundings
from simulator.report import Report, percentiles
from simulator.scenario import Scenario
from simulator.transport import NoAnswerError
from simulator.wire_xml import DECLARATION, answer_root

A, B, X = "13800001111", "13900001111", "02566000001"
URL = "http://gateway/v1/calls"


class FakeTime:
    """A clock that sleeping moves on at once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


class FakeGateway:
    """Answers plain messages, written from the protocol; `respond` may answer in its place."""

    def __init__(self, **answer_fields: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.answer_fields = answer_fields
        self.respond: Callable[[dict[str, Any]], WireAnswer | None] = lambda _message: None

    async def post(self, url: str, request: WireRequest) -> WireAnswer:
        message = self._read(request)
        self.messages.append(message)
        self.urls.append(url)
        await asyncio.sleep(0)
        special = self.respond(message)
        if special is not None:
            return special
        return self.right_answer(message, request)

    def events(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["method"] == "event"]

    def queries(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["method"] == "query"]

    def right_answer(self, message: dict[str, Any], request: WireRequest) -> WireAnswer:
        media_type = "application/json" if request.xml_root is None else "application/xml"
        content_type = f"{media_type}; charset=UTF-8"
        if message["method"] == "event":
            return WireAnswer(200, content_type, b"")
        fields: dict[str, Any] = {name: message[name] for name in ("sid", "vccId", "callId", "seq")}
        fields |= {"result": "0000", "chargeExt": "8001", **self.answer_fields}
        fields["userList"] = {"user": [{"number": B, "type": "1", "displayNumber": X}]}
        if request.xml_root is None:
            return WireAnswer(200, content_type, json.dumps(fields).encode())
        text = xmltodict.unparse({answer_root(request.xml_root): fields}, full_document=False)
        return WireAnswer(200, content_type, (DECLARATION + text).encode())

    @staticmethod
    def _read(request: WireRequest) -> dict[str, Any]:
        if request.xml_root is None:
            read: dict[str, Any] = json.loads(request.body)
            return read
        (read,) = xmltodict.parse(request.body).values()
        return read


def settings(**changes: Any) -> RunSettings:
    given: dict[str, Any] = {
        "url": URL,
        "tenant_id": "100001",
        "dialings": (Dialing(A, X, B),),
        "seed": 1,
        "run_id": "r",
        "plain": True,
        "load": Load(calls=14, concurrency=4),
    }
    return RunSettings(**(given | changes))


async def play(
    gateway: FakeGateway, run: RunSettings, ack_file: AckFile | None = None, time: FakeTime | None = None
) -> Report:
    clock = time or FakeTime()
    return await Player(run, gateway, Surroundings(clock, clock.sleep, ack_file)).run()


async def test_every_scenario_is_played_and_everything_is_right() -> None:
    gateway = FakeGateway()
    report = await play(gateway, settings())
    assert report.passed, report.as_dict()
    assert {scenario: counts.calls for scenario, counts in report.scenarios.items()} == dict.fromkeys(Scenario, 2)
    assert report.results == {"0000": 14}
    assert report.events == report.acknowledged == len(gateway.events())
    assert len(gateway.queries()) == 14
    assert (len(report.query_seconds), len(report.event_seconds)) == (14, report.events)


async def test_events_give_back_what_the_answer_told() -> None:
    gateway = FakeGateway(clientId="order-1", callData="<业务>", recordType="2")
    report = await play(gateway, settings(scenarios=(Scenario.ANSWERED,), load=Load(calls=2)))
    assert report.passed
    query = gateway.queries()[0]
    events = [event for event in gateway.events() if event["sid"] == query["sid"]]
    assert [event["code"] for event in events] == ["15", "16", "31", "40", "22"]
    assert [event["seq"] for event in events] == ["2", "3", "4", "5", "6"]
    for event in events:
        assert (event["callId"], event["vccId"], event["chargeExt"]) == (query["callId"], "100001", "8001")
        assert (event["clientId"], event["callData"]) == ("order-1", "<业务>")
        assert [member["number"] for member in event["userList"]["user"]] == [A, B]
    assert [event.get("filePath") for event in events] == [None] * 4 + [f"/record/{query['sid']}.wav"]


async def test_a_call_that_is_refused_has_no_events() -> None:
    gateway = FakeGateway(result="1004")

    def refuse(message: dict[str, Any]) -> WireAnswer:
        fields = {name: message[name] for name in ("sid", "vccId", "callId", "seq")} | {"chargeExt": ""}
        body = json.dumps(fields | {"result": "1004"}).encode()
        return WireAnswer(200, "application/json; charset=UTF-8", body)

    gateway.respond = refuse
    run = settings(formats=(WireFormat.JSON,))
    report = await play(gateway, run)
    assert not report.passed
    assert set(report.broken_rules) == {Rule.UNEXPECTED_RESULT}
    assert gateway.events() == []
    assert report.results == {"1004": 14}
    gateway.messages.clear()
    expected = await play(gateway, settings(formats=(WireFormat.JSON,), expected_result="1004"))
    assert expected.passed


async def test_one_wrong_answer_fails_the_run_and_is_named() -> None:
    gateway = FakeGateway()
    gateway.respond = lambda message: (
        WireAnswer(200, "application/xml; charset=UTF-8", b"stored")
        if message["method"] == "event" and message["sid"] == "r-000003"
        else None
    )
    report = await play(gateway, settings())
    assert not report.passed
    assert Rule.EMPTY_BODY in report.broken_rules
    assert {example.session_id for example in report.examples} == {"r-000003"}
    assert report.as_dict()["examples"][0]["sid"] == "r-000003"


async def test_no_answer_is_a_finding_and_the_run_goes_on() -> None:
    gateway = FakeGateway()

    def fail(message: dict[str, Any]) -> None:
        if message["method"] == "query" and message["sid"] == "r-000000":
            raise NoAnswerError("no answer within 3 s")

    gateway.respond = fail
    report = await play(gateway, settings())
    assert report.broken_rules == {Rule.NO_ANSWER: 1}
    assert report.calls == 14
    assert not any(event["sid"] == "r-000000" for event in gateway.events())


async def test_a_late_answer_is_a_finding() -> None:
    gateway, time = FakeGateway(), FakeTime()

    def delay(message: dict[str, Any]) -> None:
        if message["method"] == "query" and message["sid"] == "r-000001":
            time.seconds += 2.5

    gateway.respond = delay
    report = await play(gateway, settings(load=Load(calls=3, concurrency=1)), time=time)
    assert report.broken_rules == {Rule.LATE: 1}


async def test_duplicates_are_sent_and_counted_apart() -> None:
    gateway = FakeGateway()
    report = await play(gateway, settings(faults=Faults(duplicates=1.0)))
    assert report.passed
    assert report.repeated_queries == 14
    assert len(gateway.queries()) == 28
    assert report.repeated_events == report.events
    times = Counter((event["sid"], event["seq"]) for event in gateway.events())
    assert set(times.values()) == {2}
    assert len(times) == report.events == report.acknowledged


async def test_an_answer_that_changes_when_asked_again_is_found() -> None:
    gateway = FakeGateway()
    asked: Counter[str] = Counter()

    def sway(message: dict[str, Any]) -> None:
        if message["method"] == "query":
            asked[message["sid"]] += 1
            gateway.answer_fields = {"result": "0000" if asked[message["sid"]] == 1 else "0001"}

    gateway.respond = sway
    report = await play(gateway, settings(faults=Faults(duplicates=1.0), expected_result="any"))
    assert report.broken_rules[Rule.UNSTABLE_ANSWER] == 14


async def test_reordered_events_all_arrive() -> None:
    gateway = FakeGateway()
    report = await play(gateway, settings(faults=Faults(reorder=1.0), scenarios=(Scenario.ANSWERED,)))
    assert report.passed
    first = [event["seq"] for event in gateway.events() if event["sid"] == "r-000000"]
    assert sorted(first) == ["2", "3", "4", "5", "6"]
    assert first != sorted(first)


async def test_without_retries_a_503_is_final() -> None:
    gateway = FakeGateway()
    gateway.respond = lambda message: (
        WireAnswer(503, "application/xml", b"") if message["method"] == "event" and message["code"] == "15" else None
    )
    report = await play(gateway, settings())
    assert report.broken_rules == {Rule.STATUS: 14}
    assert report.events - report.acknowledged == 14
    assert report.retried_events == 0


async def test_with_retries_an_event_is_sent_until_it_is_taken() -> None:
    gateway, time = FakeGateway(), FakeTime()
    refusals: Counter[tuple[str, str]] = Counter()

    def refuse_twice(message: dict[str, Any]) -> WireAnswer | None:
        if message["method"] == "query":
            return None
        key = (message["sid"], message["seq"])
        refusals[key] += 1
        if refusals[key] == 1:
            return WireAnswer(503, "application/xml", b"")
        if refusals[key] == 2:
            raise NoAnswerError("no connection")
        return None

    gateway.respond = refuse_twice
    run = settings(faults=Faults(retry_seconds=5), load=Load(calls=3, concurrency=1))
    report = await play(gateway, run, time=time)
    assert report.passed, report.as_dict()
    assert report.retried_events == 2 * report.events
    assert time.slept[:2] == [0.1, 0.2]


async def test_retries_end() -> None:
    gateway, time = FakeGateway(), FakeTime()
    gateway.respond = lambda message: WireAnswer(503, "application/xml", b"") if message["method"] == "event" else None
    run = settings(faults=Faults(retry_seconds=5), load=Load(calls=1), scenarios=(Scenario.UNREACHABLE,))
    report = await play(gateway, run, time=time)
    assert report.broken_rules == {Rule.STATUS: 2}
    assert report.acknowledged == 0
    assert sum(time.slept) <= 10


async def test_acknowledged_events_are_written_down_once(tmp_path: Path) -> None:
    gateway = FakeGateway()
    gateway.respond = lambda message: (
        WireAnswer(503, "application/xml", b"") if message["method"] == "event" and message["code"] == "16" else None
    )
    path = tmp_path / "acks.jsonl"
    with AckFile(path) as ack_file:
        report = await play(gateway, settings(faults=Faults(duplicates=0.5)), ack_file)
        # It is there while the run goes on, not only at the end.
        lines = path.read_text("utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    assert len(written) == report.acknowledged > 0
    assert {line["code"] for line in written}.isdisjoint({"16"})
    taken = {
        (event["sid"], event["callId"], event["seq"], event["code"])
        for event in gateway.events()
        if event["code"] != "16"
    }
    assert {(line["sid"], line["callId"], line["seq"], line["code"]) for line in written} == taken
    assert {line["tenant"] for line in written} == {"100001"}


async def test_an_open_loop_begins_calls_on_time() -> None:
    gateway, time = FakeGateway(), FakeTime()
    report = await play(gateway, settings(load=Load(calls=10, calls_per_second=4)), time=time)
    assert report.passed
    assert sum(time.slept) == pytest.approx(9 / 4)


async def test_pauses_within_a_call_are_scaled() -> None:
    gateway, time = FakeGateway(), FakeTime()
    run = settings(load=Load(calls=1, time_scale=0.5), scenarios=(Scenario.MAX_DURATION,))
    gateway.answer_fields = {"maxDuration": "120"}
    await play(gateway, run, time=time)
    # 120 s of talk after some seconds of ringing, at half the time.
    assert 60 < time.seconds < 72


async def test_events_go_to_the_call_back_url_only_when_asked_to() -> None:
    gateway = FakeGateway(callBackUrl="http://elsewhere/events")
    await play(gateway, settings(load=Load(calls=2)))
    assert set(gateway.urls) == {URL}
    gateway.urls.clear()
    await play(gateway, settings(load=Load(calls=2), follow_callback_url=True))
    assert set(gateway.urls) == {URL, "http://elsewhere/events"}


@pytest.mark.parametrize("rate", [0.0, 50.0])
async def test_a_stopped_run_ends_its_calls_and_says_so(rate: float) -> None:
    gateway, time = FakeGateway(), FakeTime()
    run = settings(load=Load(calls=1000, calls_per_second=rate, concurrency=2))
    player = Player(run, gateway, Surroundings(time, time.sleep, None, lambda: player.stop()))
    report = await player.run()
    assert report.interrupted
    assert not report.passed
    assert 0 < report.calls < 20
    assert report.events == report.acknowledged


async def test_two_runs_of_one_seed_send_the_same_messages() -> None:
    first, second = FakeGateway(), FakeGateway()
    faults = Faults(duplicates=0.3, reorder=0.3)
    await play(first, settings(faults=faults))
    await play(second, settings(faults=faults, load=Load(calls=14, concurrency=1)))

    def by_call(gateway: FakeGateway) -> dict[str, list[str]]:
        calls: dict[str, list[str]] = {}
        for message in gateway.messages:
            calls.setdefault(message["sid"], []).append(json.dumps(message, sort_keys=True))
        return calls

    assert by_call(first) == by_call(second)


def test_nothing_played_is_nothing_passed() -> None:
    assert not Report().passed


def test_percentiles_are_of_the_nearest_rank() -> None:
    latencies = percentiles([number / 1000 for number in range(100, 0, -1)])
    assert (latencies.count, latencies.p50, latencies.p90, latencies.p99, latencies.highest) == pytest.approx(
        (100, 50, 90, 99, 100)
    )
    assert percentiles([0.004]).p99 == pytest.approx(4)
    assert percentiles([]).count == 0
