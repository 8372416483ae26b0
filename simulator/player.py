"""Plays calls: for each one its query, and when there is somebody to call, its events."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from common.clock import Clock, SystemClock
from simulator import checker
from simulator.ack_file import AckFile
from simulator.checker import Finding, QueryVerdict, Rule
from simulator.delivery import Delivery, deliver
from simulator.messages import Answer, Event, WireAnswer, WireRequest
from simulator.plan import CallPlan, RunSettings, plan_call
from simulator.report import Report
from simulator.scenario import CallFacts, write_script
from simulator.transport import NoAnswerError, Transport

# An open loop does not wait for its calls; beyond this many it would only measure itself.
MAX_CALLS_IN_FLIGHT = 5000
FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 2.0

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a player needs of the world besides the way to the gateway."""

    clock: Clock
    sleep: Sleep
    ack_file: AckFile | None = None
    call_done: Callable[[], None] = lambda: None


def real_surroundings(ack_file: AckFile | None = None, call_done: Callable[[], None] = lambda: None) -> Surroundings:
    return Surroundings(SystemClock(), asyncio.sleep, ack_file, call_done)


class Player:
    """Plays one run. `report` is there from the start and grows; `stop` ends the run early."""

    def __init__(self, settings: RunSettings, transport: Transport, surroundings: Surroundings) -> None:
        self.report = Report()
        self._settings = settings
        self._transport = transport
        self._clock = surroundings.clock
        self._sleep = surroundings.sleep
        self._ack_file = surroundings.ack_file
        self._call_done = surroundings.call_done
        self._stopping = False

    def stop(self) -> None:
        """Begin no further calls; those in flight go on to their end."""
        self._stopping = True

    async def run(self) -> Report:
        """Play every call and return the report."""
        began = self._clock.monotonic()
        if self._settings.load.calls_per_second > 0:
            await self._run_open_loop(began)
        else:
            await self._run_workers()
        self.report.took_seconds = self._clock.monotonic() - began
        self.report.interrupted = self._stopping
        return self.report

    async def _run_workers(self) -> None:
        load = self._settings.load
        indexes = iter(range(load.calls))

        async def work() -> None:
            for index in indexes:
                if self._stopping:
                    return
                await self._play(index, self._clock.monotonic())

        async with asyncio.TaskGroup() as group:
            for _ in range(min(load.concurrency, load.calls)):
                group.create_task(work())

    async def _run_open_loop(self, began: float) -> None:
        load = self._settings.load
        free = asyncio.Semaphore(MAX_CALLS_IN_FLIGHT)

        async def play(index: int, due: float) -> None:
            try:
                await self._play(index, due)
            finally:
                free.release()

        async with asyncio.TaskGroup() as group:
            for index in range(load.calls):
                due = began + index / load.calls_per_second
                if (early := due - self._clock.monotonic()) > 0:
                    await self._sleep(early)
                if self._stopping:
                    return
                await free.acquire()
                # Latency counts from when the call was due: a gateway that holds us up must not look fast for it.
                group.create_task(play(index, due))

    async def _play(self, index: int, due: float) -> None:
        plan = plan_call(self._settings, index)
        counts = self.report.counts(plan.scenario)
        counts.calls += 1
        verdict = await self._ask(plan, due)
        if verdict is not None and verdict.answer is not None and verdict.routed:
            counts.routed += 1
            await self._send_events(plan, verdict.answer)
        self._call_done()

    async def _ask(self, plan: CallPlan, due: float) -> QueryVerdict | None:
        request = plan.write(plan.query.fields())
        verdict = await self._ask_once(plan, request, due)
        if plan.rng.random() < self._settings.faults.duplicates:
            self.report.repeated_queries += 1
            again = await self._ask_once(plan, request, self._clock.monotonic())
            answers = [asked.answer for asked in (verdict, again) if asked is not None and asked.answer is not None]
            if len(answers) == 2 and not checker.same_route(*answers):
                self._found(plan, Finding(Rule.UNSTABLE_ANSWER, "the second answer sends the call elsewhere"))
        return verdict

    async def _ask_once(self, plan: CallPlan, request: WireRequest, due: float) -> QueryVerdict | None:
        try:
            answer = await self._transport.post(self._settings.url, request)
        except NoAnswerError as error:
            self._found(plan, Finding(Rule.NO_ANSWER, f"query: {error}"))
            return None
        took = self._clock.monotonic() - due
        self.report.query_seconds.append(took)
        verdict = checker.check_query_answer(plan.query, request, answer, plan.expectation)
        self.report.results[verdict.result or f"HTTP {answer.status}"] += 1
        self._found(plan, *verdict.findings)
        if took > self._settings.late_after_seconds:
            self._found(plan, Finding(Rule.LATE, f"query: {took:.3f} s"))
        return verdict

    async def _send_events(self, plan: CallPlan, answer: Answer) -> None:
        faults, load = self._settings.faults, self._settings.load
        deliveries = deliver(_events(plan, answer, self._settings.plain), faults.duplicates, faults.reorder, plan.rng)
        url = answer.fields.get("callBackUrl") if self._settings.follow_callback_url else None
        answered = self._clock.monotonic()
        sent: set[str] = set()
        acknowledged: set[str] = set()
        for delivery in deliveries:
            early = answered + delivery.at_seconds * load.time_scale - self._clock.monotonic()
            if load.time_scale > 0 and early > 0:
                await self._sleep(early)
            if await self._deliver(plan, delivery, url or self._settings.url):
                acknowledged.add(delivery.event.seq)
            self.report.repeated_events += delivery.copies - (delivery.event.seq not in sent)
            sent.add(delivery.event.seq)
        counts = self.report.counts(plan.scenario)
        counts.events += len(sent)
        counts.acknowledged += len(acknowledged)

    async def _deliver(self, plan: CallPlan, delivery: Delivery, url: str) -> bool:
        """Send an event in all its copies; true when one of them was acknowledged."""
        event = delivery.event
        request = plan.write(event.fields(), event.members)
        copies = [self._deliver_copy(plan, event, request, url) for _ in range(delivery.copies)]
        return any(await asyncio.gather(*copies))

    async def _deliver_copy(self, plan: CallPlan, event: Event, request: WireRequest, url: str) -> bool:
        give_up_at = self._clock.monotonic() + self._settings.faults.retry_seconds
        pause = FIRST_RETRY_SECONDS
        while True:
            finding: Finding | None = None
            answer: WireAnswer | None = None
            sent_at = self._clock.monotonic()
            try:
                answer = await self._transport.post(url, request)
            except NoAnswerError as error:
                finding = Finding(Rule.NO_ANSWER, f"event {event.code.text}: {error}")
            if answer is not None and answer.status != 503:
                self.report.event_seconds.append(self._clock.monotonic() - sent_at)
                self._found(plan, *checker.check_event_answer(request, answer))
                if answer.status == 200 and self._ack_file is not None:
                    self._ack_file.acknowledged(event)
                return answer.status == 200
            if self._clock.monotonic() + pause > give_up_at:
                self._found(plan, finding or Finding(Rule.STATUS, f"event {event.code.text}: HTTP 503"))
                return False
            self.report.retried_events += 1
            await self._sleep(pause)
            pause = min(pause * 2, LAST_RETRY_SECONDS)

    def _found(self, plan: CallPlan, *findings: Finding) -> None:
        self.report.add_findings(plan.scenario, plan.query.session_id, findings)


def _events(plan: CallPlan, answer: Answer, plain: bool) -> list[tuple[float, Event]]:
    """The call's events with their times after the answer. The platform gives back what the answer told it."""
    fields = answer.fields
    max_duration = fields.get("maxDuration", "")
    facts = CallFacts(
        session_id=plan.query.session_id,
        caller=plan.query.calling_number,
        callee=answer.members[0].get("number", ""),
        record_type=fields.get("recordType", ""),
        max_duration_seconds=int(max_duration) if max_duration.isdecimal() else 0,
    )
    script = write_script(plan.scenario, facts, plan.rng, variants=not plain)
    return [
        (
            step.at_seconds,
            Event(
                session_id=plan.query.session_id,
                tenant_id=plan.query.tenant_id,
                call_id=plan.query.call_id,
                seq=str(number),
                charge_ext=fields.get("chargeExt", ""),
                code=step.code,
                members=step.members,
                client_id=fields.get("clientId"),
                call_result=step.call_result,
                reason=step.call_result.chinese if step.call_result is not None and not plain else None,
                user_data=fields.get("callData"),
                media_server="ms-1",
                file_path=step.file_path,
            ),
        )
        for number, step in enumerate(script, start=2)
    ]
