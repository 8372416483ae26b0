"""One call as a ladder: caller, platform and callee as lanes, every message as a rung with its time.

offset     caller 138****1111            platform 02566000001           callee 139****1111
                  │                               │                              │
 0.000 s          ├───── dials 02566000001 ──────▶│                              │
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from cli.output import printable
from common.protocol_codes import CallResult, EventCode, ResultCode

WIDTH = 100
_OFFSET_WIDTH = 12
_CALLER, _PLATFORM, _CALLEE = 20, 54, 88
_LANES = (_CALLER, _PLATFORM, _CALLEE)


@dataclass(frozen=True, slots=True)
class LadderQuery:
    """The query and its answer."""

    received_at_us: int
    took_us: int
    result: str
    reason: str
    called: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LadderEvent:
    """One stored event. `received_count` is how often it came."""

    received_at_us: int
    code: str
    call_result: str = ""
    file_path: str = ""
    received_count: int = 1
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class LadderCall:
    """What the ladder shows; numbers as they are to be shown."""

    caller: str
    access_number: str
    callee: str
    query: LadderQuery | None
    events: Sequence[LadderEvent]


@dataclass(frozen=True, slots=True)
class _Rung:
    """An arrow between two lanes. `double` is the conversation, which runs both ways; `broken` never arrived."""

    start: int
    end: int
    style: str
    double: bool = False
    broken: bool = False


_RUNGS = {
    EventCode.CALLING_CALLEE: _Rung(_PLATFORM, _CALLEE, "cyan"),
    EventCode.RINGING: _Rung(_CALLEE, _PLATFORM, "cyan"),
    EventCode.CALLEE_ANSWERED: _Rung(_CALLEE, _PLATFORM, "green"),
    EventCode.CONVERSATION_STARTED: _Rung(_CALLER, _CALLEE, "bold green", double=True),
    EventCode.CALLER_HANGUP: _Rung(_CALLER, _PLATFORM, "magenta"),
    EventCode.CALLEE_HANGUP: _Rung(_CALLEE, _PLATFORM, "magenta"),
    EventCode.CALLEE_UNREACHABLE: _Rung(_PLATFORM, _CALLEE, "red", broken=True),
    EventCode.LAST_MINUTE: _Rung(_CALLER, _CALLEE, "yellow", double=True),
    EventCode.TIME_UP: _Rung(_CALLER, _CALLEE, "magenta", double=True),
    EventCode.PARTY_HANGUP: _Rung(_CALLER, _CALLEE, "magenta", double=True),
}
_SHORT_NAMES = {
    EventCode.CALLER_HANGUP: "caller hung up",
    EventCode.CALLEE_HANGUP: "callee hung up",
    EventCode.TIME_UP: "maximum duration reached, call over",
    EventCode.PARTY_HANGUP: "one side hung up, call over",
}


def ladder(call: LadderCall) -> list[Text]:
    """The lines of the ladder, at most `WIDTH` cells each."""
    lines = [_heading(call), _empty()]
    began = _beginning(call)
    if call.query is not None:
        lines.extend(_query_lines(call.query, call.access_number, began))
    for event in call.events:
        lines.extend(_event_lines(event, began))
    lines.append(_empty())
    return lines


def _beginning(call: LadderCall) -> int:
    moments = [event.received_at_us for event in call.events]
    if call.query is not None:
        moments.append(call.query.received_at_us)
    return min(moments, default=0)


def _heading(call: LadderCall) -> Text:
    canvas = _Canvas(lanes=False)
    for lane, role, number in (
        (_CALLER, "caller", call.caller),
        (_PLATFORM, "platform", call.access_number),
        (_CALLEE, "callee", call.callee),
    ):
        canvas.center(lane, f"{role} {number}".strip(), "bold", half_width=min(lane - _OFFSET_WIDTH // 2, WIDTH - lane))
    return canvas.text()


def _empty() -> Text:
    return _Canvas().text()


def _query_lines(query: LadderQuery, access_number: str, began: int) -> list[Text]:
    asked = _Canvas()
    asked.offset(query.received_at_us - began)
    asked.arrow(_Rung(_CALLER, _PLATFORM, "cyan"), f"dials {access_number}")
    answered = _Canvas()
    answered.offset(query.received_at_us - began + query.took_us)
    routed = query.result == ResultCode.SUCCESS.text
    said = f"{query.result} {ResultCode.describe(query.result)}"
    took = f"answered in {query.took_us / 1000:.1f} ms"
    if routed:
        called = f" → {', '.join(query.called)}" if query.called else ""
        answered.center(_PLATFORM, f"{said}{called}, {took}", "bold green")
        return [asked.text(), answered.text()]
    answered.center(_PLATFORM, said, "bold red")
    # The reason may be long; what is cut off then must not be the time.
    return [asked.text(), answered.text(), _note(took, "dim"), *([_note(query.reason, "red")] if query.reason else [])]


def _event_lines(event: LadderEvent, began: int) -> list[Text]:
    code = EventCode.lookup(event.code)
    name = EventCode.describe(event.code) if code is None else _SHORT_NAMES.get(code, code.english)
    canvas = _Canvas()
    canvas.offset(event.received_at_us - began)
    if code is None:
        canvas.center(_PLATFORM, f"{event.code} {name}", "yellow")
    else:
        canvas.arrow(_RUNGS[code], f"{event.code} {name}")
    lines = [canvas.text()]
    if event.call_result:
        lines.append(_note(f"callResult {event.call_result} {CallResult.describe(event.call_result)}", "dim"))
    if event.file_path:
        lines.append(_note(f"recorded: {event.file_path}", "dim"))
    if event.received_count > 1:
        lines.append(_note(f"came {event.received_count} times, stored once", "yellow"))
    if event.conflict:
        lines.append(_note("another event has the same key but other content", "red"))
    return lines


def _note(text: str, style: str) -> Text:
    canvas = _Canvas()
    canvas.center(_PLATFORM, text, style)
    return canvas.text()


class _Canvas:
    """One line of `WIDTH` cells to draw on, with the three lanes."""

    def __init__(self, *, lanes: bool = True) -> None:
        self._cells = [" "] * WIDTH
        self._styles: list[tuple[str, int, int]] = []
        if lanes:
            for lane in _LANES:
                self._cells[lane] = "│"

    def offset(self, microseconds: int) -> None:
        """When it was, since the call began."""
        self._put(0, f"{_offset_text(microseconds):>{_OFFSET_WIDTH}}", "dim")

    def arrow(self, rung: _Rung, label: str) -> None:
        left, right = sorted((rung.start, rung.end))
        forth = rung.end > rung.start
        line = "═" if rung.double else "─"
        shown = _fit(f" {label} ", right - left - 5)
        # At least one piece of the line stays visible at both ends of the label.
        total = right - left - 1 - cell_len(shown)
        before = total // 2
        drawn = line * before + shown + line * (total - before)
        if rung.double:
            first, last = "◀", "▶"
        elif forth:
            first, last = "├", "✗" if rung.broken else "▶"
        else:
            first, last = "◀", "┤"
        if rung.double:
            self._put(left, f"├{first}{drawn[1:-1]}{last}┤", rung.style)
        elif forth:
            self._put(left, f"{first}{drawn[:-1]}{last}│", rung.style)
        else:
            self._put(left, f"│{first}{drawn[1:]}{last}", rung.style)

    def center(self, lane: int, text: str, style: str, half_width: int | None = None) -> None:
        """Text around a lane, over whatever is there."""
        room = 2 * (half_width if half_width is not None else _PLATFORM - _CALLER - 2)
        shown = _fit(f" {text} ", room)
        start = lane - cell_len(shown) // 2
        self._put(start, shown, style)

    def text(self) -> Text:
        made = Text("".join(self._cells).rstrip(), no_wrap=True)
        for style, start, end in self._styles:
            made.stylize(style, start, end)
        return made

    def _put(self, start: int, text: str, style: str) -> None:
        # One list entry a cell; a wide character takes two, the second one empty.
        position = start
        text = printable(text)
        for character in text:
            width = cell_len(character)
            if position + width > WIDTH:
                break
            self._cells[position : position + width] = [character] + [""] * (width - 1)
            position += width
        before = len("".join(self._cells[:start]))
        self._styles.append((style, before, before + len(text)))


def _offset_text(microseconds: int) -> str:
    milliseconds = round(microseconds / 1000)
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"+{hours}:{minutes:02}:{seconds:02}.{rest:03}"
    if minutes:
        return f"+{minutes}:{seconds:02}.{rest:03}"
    return f"+{seconds}.{rest:03} s"


def _fit(text: str, room: int) -> str:
    """`text` shortened to `room` cells, with an ellipsis where something was cut."""
    if cell_len(text) <= room:
        return text
    shown = text.rstrip()
    while cell_len(shown) > room - 2:
        shown = shown[:-1]
    return f"{shown}… "
