"""`make demo`: the whole thing in one go, on free ports with a temporary data directory.

Every step runs what its line shows: the commands are the `axbridge` command's own, the exchanges are what goes over the
wire, byte for byte. The exit code is 0 only when every step was right.
"""

import asyncio
import json
import os
import shlex
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from axbridge.events.v1 import call_service_pb2
from rich.console import Console
from rich.text import Text

from cli.clients import EVENTS_VARIABLE, ROUTING_VARIABLE, EventsTarget, events_client
from cli.demo_subscriber import DemoSubscriber
from cli.demo_webhook import DemoReceiver
from cli.main import app
from cli.output import stdout_console
from cli.stack import Stack, StackOptions, running_stack
from cli.trace_tree import WrittenSpan, read_span, trace_tree
from common.errors import AxbridgeError
from common.telemetry import names
from common.trace_ids import trace_id_for

TENANT, ACCESS, OWNED_ACCESS = "100001", "02566000001", "02566000002"
A, B, OWNER = "13800001111", "13900001111", "13700001111"
OTHER_A, OTHER_B = "13800002222", "13900002222"
CALLS = 140
LADDER_RUN = "ladder"
LIVE_RUN = "live"
WEBHOOK_RUN = "webhook"
SUBSCRIBER_SECONDS = WEBHOOK_SECONDS = 30.0
LINE_LIMIT = 400
# Every call is traced, and the spans come among the services' lines.
TRACING = {
    **{f"AXBRIDGE_{service}_TRACE_EXPORTER": "console" for service in ("GATEWAY", "ROUTING", "EVENTS")},
    **{f"AXBRIDGE_{service}_TRACE_SAMPLE_RATIO": "1" for service in ("GATEWAY", "EVENTS")},
}
TRACED = trace_id_for(TENANT, "demo-json")

XML_QUERY = f"""<?xml version="1.0" encoding="UTF-8"?>
<request>
  <sid>demo-xml</sid><vccId>{TENANT}</vccId><callId>c1</callId><seq>1</seq>
  <method>query</method><callingNumber>+86{A}</callingNumber><accessNumber>{ACCESS}</accessNumber>
</request>"""
JSON_QUERY = json.dumps(
    {
        "sid": "demo-json",
        "vccId": TENANT,
        "callId": "c2",
        "seq": "1",
        "method": "query",
        "callingNumber": B,
        "accessNumber": ACCESS,
    }
)
JSON_EVENT = json.dumps(
    {
        "sid": "demo-json",
        "vccId": TENANT,
        "callId": "c2",
        "seq": "2",
        "method": "event",
        "chargeExt": "8001",
        "code": "15",
        "userList": {"user": [{"line": "1", "number": A, "type": "1", "state": "2", "translate": ""}]},
    }
)


class DemoFailedError(AxbridgeError):
    """A step was not right."""

    reason = "DEMO_FAILED"


class Demo:
    """The steps, told on `console`."""

    def __init__(self, console: Console, stack: Stack, receiver: DemoReceiver) -> None:
        self._console = console
        self._stack = stack
        self._receiver = receiver

    async def run(self) -> None:
        """Raises DemoFailedError at the first step that is not right."""
        self._title("An enterprise, and its relationships: two pairs share one access number")
        await self._axbridge("tenant", "add", TENANT, "--name", "Demo", "--failure-prompt", "default=sorry.wav")
        prompt = "<msg><file>welcome.wav</file><var>7_您的订单尾号</var><var>2_6789</var></msg>"
        pair = ("--tenant", TENANT, "--access", ACCESS, "--a", A, "--b", B)
        profile = ("--charge-ext", "8001", "--client-id", "order-6789", "--record-type", "after-answer")
        await self._axbridge("bind", "axb", *pair, *profile, "--max-duration", "600", "--caller-prompt", prompt)
        other_pair = ("--tenant", TENANT, "--access", ACCESS, "--a", OTHER_A, "--b", OTHER_B, "--one-way")
        await self._axbridge("bind", "axb", *other_pair, "--expires-in", "2h")
        owner = ("--tenant", TENANT, "--access", OWNED_ACCESS, "--a", OWNER)
        await self._axbridge("bind", "ax", *owner)
        await self._axbridge("explain", "--tenant", TENANT, "--a", A, "--access", ACCESS)

        self._title("A query in XML, as it goes over the wire: A dials X and reaches B")
        answer = await self._exchange(XML_QUERY, "application/xml; charset=UTF-8")
        self._check("<result>0000</result>" in answer and f"<number>{B}</number>" in answer, "A reaches B")
        self._title("The other way round in JSON: B dials X and reaches A")
        answer = await self._exchange(JSON_QUERY, "application/json; charset=UTF-8")
        self._check('"0000"' in answer and A in answer, "B reaches A")
        self._title("An event of that call: 200 with an empty body, once it is on disk")
        answer = await self._exchange(JSON_EVENT, "application/json; charset=UTF-8")
        self._check(answer.startswith("HTTP/1.1 200") and answer.endswith("\r\n\r\n"), "the event is stored")

        with tempfile.TemporaryDirectory() as scratch:
            await self._play_calls(Path(scratch) / "acknowledged.jsonl")
        await self._subscribe()
        await self._post_webhook()
        self._title("One of these calls, from its own messages")
        await self._axbridge("calls", "show", f"{LADDER_RUN}-000000", "--tenant", TENANT)
        await self._axbridge("calls", "list", "--tenant", TENANT, "--limit", "8")
        await self._unbind()

    async def _play_calls(self, ack_file: Path) -> None:
        self._title("Every kind of call in both formats, some events doubled, some out of order")
        numbers = ("--tenant", TENANT, "--access", ACCESS, "--caller", A, "--expect-callee", B)
        one = ("--calls", "1", "--scenario", "answered", "--plain", "--time-scale", "0.02")
        await self._axbridge("simulate", *numbers, *one, "--seed", "12", "--run-id", LADDER_RUN)
        many = ("--calls", str(CALLS), "--scenario", "mix", "--format", "mixed", "--seed", "1")
        both = (*numbers, "--caller", B, "--expect-callee", A)
        faults = ("--duplicates", "0.1", "--reorder", "0.1", "--ack-file", str(ack_file))
        await self._axbridge("simulate", *both, *many, *faults)
        found = await asyncio.to_thread(self._count_stored, ack_file)
        self._console.print(f"looked for every event that got a 200: {found} of {found} are in the log, each once")

    async def _subscribe(self) -> None:
        self._title("A subscriber follows a call live, is disconnected in the middle, and misses nothing")
        session_id = f"{LIVE_RUN}-000000"
        subscriber = DemoSubscriber(
            self._stack.events, TENANT, session_id, lambda text: self._console.print(text, soft_wrap=True)
        )
        await subscriber.create()
        one = ("--calls", "1", "--scenario", "answered", "--plain", "--time-scale", "0.01", "--seed", "12")
        numbers = ("--tenant", TENANT, "--access", ACCESS, "--caller", A, "--expect-callee", B)
        playing = asyncio.create_task(self._axbridge("simulate", *numbers, *one, "--run-id", LIVE_RUN))
        try:
            async with asyncio.timeout(SUBSCRIBER_SECONDS):
                await subscriber.follow_until_cut()
                await subscriber.resume()
        except TimeoutError as error:
            raise DemoFailedError(f"the subscriber got {subscriber.received} and then nothing more") from error
        finally:
            await playing
        stored = await asyncio.to_thread(self._stored_sequence, session_id)
        self._check(set(subscriber.received) == set(stored), f"all {len(stored)} events of the call were delivered")
        self._check(subscriber.final_state == "completed", "and its record when it was over")

    async def _post_webhook(self) -> None:
        self._title("The same for a system without gRPC: a webhook, every message signed, verified by its receiver")
        session_id = f"{WEBHOOK_RUN}-000000"
        show = partial(self._console.print, soft_wrap=True)
        async with self._receiver.listening(session_id, show):
            added = await self._read_json("webhooks", "add", self._receiver.url, "--tenant", TENANT, shown=True)
            self._receiver.trust(added["secret"])
            one = ("--calls", "1", "--scenario", "answered", "--plain", "--time-scale", "0.01", "--seed", "12")
            numbers = ("--tenant", TENANT, "--access", ACCESS, "--caller", A, "--expect-callee", B)
            await self._axbridge("simulate", *numbers, *one, "--run-id", WEBHOOK_RUN)
            try:
                async with asyncio.timeout(WEBHOOK_SECONDS):
                    await self._receiver.wait_for_record(session_id)
            except TimeoutError as error:
                raise DemoFailedError(f"the webhook got {len(self._receiver.events)} events and no record") from error
        stored = await asyncio.to_thread(self._stored_sequence, session_id)
        got = [seq for sid, seq in self._receiver.events if sid == session_id]
        self._check(self._receiver.refused == 0, "every message was signed with the webhook's secret")
        self._check(set(got) == set(stored), f"all {len(stored)} events of the call came, and its record")
        self._check(self._receiver.refuses_forgeries(), "a message of which one byte was changed is refused")

    async def _unbind(self) -> None:
        self._title("The pair is unbound: the very next query does not find it any more")
        bindings = await self._read_json("bindings", "list", "--tenant", TENANT, "--number", A)
        await self._axbridge("bindings", "delete", bindings[0]["binding_id"], "--tenant", TENANT)
        answer = await self._exchange(JSON_QUERY, "application/json; charset=UTF-8")
        self._check('"1004"' in answer and A not in answer, "nobody is reached, no number is told")

    def _title(self, text: str) -> None:
        self._console.print()
        self._console.rule(Text(text, style="bold"), align="left")

    def _check(self, right: bool, what: str) -> None:
        if not right:
            raise DemoFailedError(f"not as it should be: {what}")
        self._console.print(f"✓ {what}", style="green")

    async def _axbridge(self, *arguments: str) -> None:
        """Show a command and run it. Raises DemoFailedError when it fails."""
        self._console.print(Text(f"$ axbridge {shlex.join(arguments)}", style="bold cyan"), soft_wrap=True)
        code = await asyncio.to_thread(_invoke, arguments)
        if code != 0:
            raise DemoFailedError(f"`axbridge {shlex.join(arguments)}` ended with exit code {code}")

    async def _read_json(self, *arguments: str, shown: bool = False) -> Any:
        """What a command prints with `--json`, run as a process of its own like a script would."""
        if shown:
            self._console.print(Text(f"$ axbridge {shlex.join(arguments)} --json", style="bold cyan"), soft_wrap=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", *arguments, "--json", stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
        if process.returncode != 0:
            raise DemoFailedError(f"`axbridge {shlex.join(arguments)}` ended with exit code {process.returncode}")
        return json.loads(printed)

    async def _exchange(self, body: str, content_type: str) -> str:
        """Post a body over a plain socket and show both sides as they are. Returns the whole answer."""
        host, _, port = self._stack.http.rpartition(":")
        content = body.encode()
        head = (
            f"POST /v1/calls HTTP/1.1\r\nHost: {self._stack.http}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        began = time.perf_counter()
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 5)
        writer.write(head.encode() + content)
        answer = (await asyncio.wait_for(reader.read(), 5)).decode()
        took = time.perf_counter() - began
        writer.close()
        await writer.wait_closed()
        for mark, style, text in ((">", "cyan", head + body), ("<", "green", answer)):
            for line in text.splitlines():
                self._console.print(Text(f"{mark} {line}", style=style), soft_wrap=True)
        self._console.print(f"answered in {took * 1000:.1f} ms", style="dim")
        return answer

    def _count_stored(self, ack_file: Path) -> int:
        """How many events were acknowledged. Raises DemoFailedError when one of them is not in the log exactly once."""
        acknowledged: dict[str, list[str]] = {}
        for line in ack_file.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            acknowledged.setdefault(event["sid"], []).append(event["seq"])
        with events_client(EventsTarget(self._stack.events)) as client:
            for session_id, sequence in acknowledged.items():
                request = call_service_pb2.ListCallEventsRequest(tenant_id=TENANT, session_id=session_id)
                stored = client.caller.call(client.calls.ListCallEvents, request).events
                if sorted(item.event.seq for item in stored) != sorted(sequence):
                    raise DemoFailedError(f"the events of call {session_id} are not in the log, each once")
        return sum(map(len, acknowledged.values()))

    def _stored_sequence(self, session_id: str) -> list[str]:
        """The `seq` of each event of a call in the log."""
        with events_client(EventsTarget(self._stack.events)) as client:
            request = call_service_pb2.ListCallEventsRequest(tenant_id=TENANT, session_id=session_id)
            return [item.event.seq for item in client.caller.call(client.calls.ListCallEvents, request).events]


def _invoke(arguments: tuple[str, ...]) -> int:
    """Run the command line in this process; its exit code."""
    try:
        app(list(arguments), prog_name="axbridge")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _show_trace(console: Console, spans: Sequence[WrittenSpan]) -> None:
    """Raises DemoFailedError when the trace does not hold what happened."""
    console.print()
    console.rule(
        Text("The call in JSON as one trace: from B's query to the one after unbinding", style="bold"), align="left"
    )
    for line in trace_tree(spans):
        console.print(Text(line), soft_wrap=True)
    written = [each.span["span"] for each in spans]
    # On a slow machine a batch may be sent twice, and then there are more steps.
    received = (written.count(names.QUERY.name), written.count(names.EVENT.name))
    if received != (2, 1) or not {names.DECIDE.name, names.STORE.name} <= set(written):
        raise DemoFailedError("not as it should be: two queries and an event in one trace")
    console.print(f"✓ two queries and an event, one trace of {len(spans)} spans", style="green")


async def play_demo(console: Console) -> None:
    """Start a stack, run the demo against it, stop it. Raises AxbridgeError when something was not right."""
    log: deque[str] = deque(maxlen=LINE_LIMIT)
    spans: list[WrittenSpan] = []

    def take_line(name: str, line: str) -> None:
        span = read_span(name, line)
        if span is None:
            log.append(f"{name} | {line}")
        elif span.span["trace_id"] == TRACED:
            spans.append(span)

    receiver = DemoReceiver()
    os.environ.update({**TRACING, **receiver.allowance})
    with tempfile.TemporaryDirectory(prefix="axbridge-demo-") as folder:
        options = StackOptions("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", Path(folder))
        console.rule(Text("Three services, each a process of its own", style="bold"), align="left")
        command = f"$ axbridge up --http {options.http} --routing {options.routing} --events {options.events}"
        console.print(Text(f"{command} --data-dir {folder} &", style="bold cyan"), soft_wrap=True)
        try:
            async with running_stack(options, take_line) as stack:
                console.print(
                    f"gateway (HTTP) {stack.http}, routing (gRPC) {stack.routing}, events (gRPC) {stack.events}"
                )
                # So that the commands below find this stack, here as in a shell.
                environment = {
                    ROUTING_VARIABLE: stack.routing,
                    EVENTS_VARIABLE: stack.events,
                    "AXBRIDGE_URL": stack.calls_url,
                }
                os.environ.update(environment)
                exported = " ".join(f"{name}={value}" for name, value in environment.items())
                console.print(Text(f"$ export {exported}", style="bold cyan"), soft_wrap=True)
                await Demo(console, stack, receiver).run()
            # The last spans were written when the services ended.
            _show_trace(console, spans)
        except AxbridgeError:
            console.print("the services wrote:", *log, sep="\n")
            raise


def main() -> int:
    """The exit code: 0 when everything was right."""
    console = stdout_console()
    began = time.monotonic()
    try:
        asyncio.run(play_demo(console))
    except AxbridgeError as error:
        console.print(f"\nthe demo failed: {error.message}", style="bold red")
        return 1
    console.print()
    console.rule(style="green")
    took = time.monotonic() - began
    done = f", all stopped, {took:.0f} s. Next: `axbridge up` and README.md"
    console.print(Text.assemble(("✓ everything was right", "bold green"), done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
