"""What a run is to do, and what each of its calls looks like: a pure function of the settings and the call's number."""

import csv
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random

from common.protocol_codes import ResultCode
from simulator import wire_json, wire_xml
from simulator.checker import Expectation
from simulator.messages import EventMember, Fields, Query, WireRequest
from simulator.scenario import Scenario

MISSING_SEQ_CHANCE = 0.3


class WireFormat(Enum):
    """The language of a call."""

    XML = "xml"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Dialing:
    """Who calls which access number, and who should answer; `callee` is None when that is not known."""

    caller: str
    access_number: str
    callee: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """How many calls, and how fast.

    `calls_per_second` 0 plays as fast as `concurrency` calls at a time go; otherwise calls begin on time whether or
    not earlier ones are done (open loop). `time_scale` multiplies the pauses within a call; 0 leaves none.
    """

    calls: int = 100
    calls_per_second: float = 0.0
    concurrency: int = 16
    time_scale: float = 0.0


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong between the platform and us: chances from 0 to 1.

    `duplicates`: a query is sent again, an event once more, at the same time or later. `reorder`: an event overtakes
    the one before it. `retry_seconds` is how long the platform tries to get rid of an event; 0: it tries once.
    """

    duplicates: float = 0.0
    reorder: float = 0.0
    retry_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Everything that decides a run. The same settings play the same calls."""

    url: str
    tenant_id: str
    dialings: tuple[Dialing, ...]
    seed: int
    run_id: str
    """Stands in every session id, so that runs do not mix."""
    formats: tuple[WireFormat, ...] = tuple(WireFormat)
    scenarios: tuple[Scenario, ...] = tuple(Scenario)
    load: Load = field(default_factory=Load)
    faults: Faults = field(default_factory=Faults)
    plain: bool = False
    """True: every message in its textbook form; False: in all the forms that platforms use."""
    expected_result: str = ResultCode.SUCCESS.text
    expected_xml_root: str | None = None
    follow_callback_url: bool = False
    """True: events go to the answer's callBackUrl where there is one; False: always to `url`."""
    late_after_seconds: float = 2.0


Style = wire_xml.XmlStyle | wire_json.JsonStyle


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call of a run, before anything is known of its answer. `rng` decides the rest of it."""

    index: int
    query: Query
    scenario: Scenario
    style: Style
    expectation: Expectation
    rng: Random

    def write(self, fields: Fields, members: tuple[EventMember, ...] = ()) -> WireRequest:
        """A message of this call in its style."""
        if isinstance(self.style, wire_xml.XmlStyle):
            return wire_xml.write(fields, members, self.style)
        return wire_json.write(fields, members, self.style)


def plan_call(settings: RunSettings, index: int) -> CallPlan:
    """The call number `index` of a run. Scenarios and formats take turns, so that every one is played."""
    rng = Random(f"{settings.seed}:{index}")  # noqa: S311 - repeatable on purpose
    dialing = rng.choice(settings.dialings)
    played_rounds, position = divmod(index, len(settings.scenarios))
    scenario = settings.scenarios[position]
    # Each round begins with the next format: every pair of scenario and format comes up.
    wire_format = settings.formats[(played_rounds + position) % len(settings.formats)]
    session_id = f"{settings.run_id}-{index:06d}"
    missing_seq = rng.random() < MISSING_SEQ_CHANCE and not settings.plain
    query = Query(
        session_id=session_id,
        tenant_id=settings.tenant_id,
        call_id=f"c{rng.getrandbits(48):012x}",
        seq=None if missing_seq else "1",
        calling_number=dialing.caller if settings.plain else _as_platforms_write(dialing.caller, rng),
        access_number=dialing.access_number,
    )
    expectation = Expectation(
        result=settings.expected_result, callee=dialing.callee, xml_root=settings.expected_xml_root
    )
    return CallPlan(index, query, scenario, _choose_style(wire_format, settings, rng), expectation, rng)


def read_dialings(path: Path) -> tuple[Dialing, ...]:
    """Dialings from a CSV file with the columns caller, access and, optionally, callee; a heading line is optional.

    Raises ValueError naming the line for one that can't be used, OSError when the file can't be read.
    """
    dialings = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            cells = [cell.strip() for cell in row]
            if not any(cells) or (number == 1 and cells[0].lower() == "caller"):
                continue
            if len(cells) not in (2, 3) or not cells[0] or not cells[1]:
                raise ValueError(f"{path}, line {number}: caller,access[,callee] is expected")
            dialings.append(Dialing(cells[0], cells[1], cells[2] if len(cells) == 3 and cells[2] else None))
    if not dialings:
        raise ValueError(f"{path} has no numbers in it")
    return tuple(dialings)


def _choose_style(wire_format: WireFormat, settings: RunSettings, rng: Random) -> Style:
    if wire_format is WireFormat.XML:
        return wire_xml.XmlStyle() if settings.plain else wire_xml.choose_style(rng)
    return wire_json.JsonStyle() if settings.plain else wire_json.choose_style(rng)


def _as_platforms_write(number: str, rng: Random) -> str:
    """A Chinese mobile in one of the writings that platforms use; any other number as it is."""
    if len(number) != 11 or not number.isdigit() or not number.startswith("1"):
        return number
    return rng.choice(("", "", "+86", "0086", "86", "0")) + number
