"""What is told of many calls at once: exports, counts, completeness, and whether the records are right."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from common.errors import InvalidArgumentError
from event_service.domain import Call, CallRevision, CallState, call_key
from event_service.ports import CallName, CallPeriod, CallPosition, CallReports, CallUpkeep

HOUR_US = 3_600_000_000
PAGE_CALLS = 500
MAX_NAMED_DIFFERENCES = 100
MAX_REPORT_HOURS = 24 * 92
_ACTIVE = tuple(state for state in CallState if not state.is_finished)


@dataclass(frozen=True, slots=True)
class ActiveCalls:
    """Calls that began and have not ended; of these the ones in which the two are talking."""

    active: int
    answered: int


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """How many calls were folded anew, how many records were different, and the first of those."""

    calls: int
    different: int
    names: Sequence[CallName]


@dataclass(slots=True)
class HourReport:
    """The calls that started in the hour from `hour_us` on, microseconds since 1970 UTC."""

    hour_us: int
    calls: int = 0
    complete: int = 0
    active: int = 0
    unterminated: int = 0
    with_anomalies: int = 0
    # By the part of the anomaly before its colon; a call counts once for each.
    anomaly_kinds: Counter[str] = field(default_factory=Counter)

    def add(self, call: Call) -> None:
        self.calls += 1
        if not call.state.is_finished:
            self.active += 1
        if call.state is CallState.UNTERMINATED:
            self.unterminated += 1
        if call.anomalies:
            self.with_anomalies += 1
            self.anomaly_kinds.update({anomaly.partition(":")[0] for anomaly in call.anomalies})
        elif call.state.is_finished:
            self.complete += 1


class CallReporting:
    """Reports on a tenant's calls."""

    def __init__(self, reports: CallReports, upkeep: CallUpkeep) -> None:
        self._reports = reports
        self._upkeep = upkeep

    async def pages(self, which: CallPeriod) -> AsyncIterator[Sequence[CallRevision]]:
        """All calls of a period, oldest first, in pages that fit into memory. Raises InvalidArgumentError."""
        _check_period(which)
        after: CallPosition | None = None
        while page := await self._reports.walk(which, after, PAGE_CALLS):
            yield page
            last = page[-1].call
            after = CallPosition(last.started_at_us, call_key(last.tenant_id, last.session_id))

    async def count_active(self, tenant_id: str) -> ActiveCalls:
        """How many calls are going on."""
        _check_period(CallPeriod(tenant_id))
        counts = await self._reports.count_states(tenant_id, _ACTIVE)
        return ActiveCalls(sum(counts.values()), counts.get(CallState.ANSWERED, 0))

    async def rebuild(self, which: CallPeriod, *, dry_run: bool) -> RebuildResult:
        """Fold all calls of a period anew from the log. With `dry_run` the records are only compared."""
        calls = different = 0
        names: list[CallName] = []
        async for page in self.pages(which):
            found = await self._upkeep.refold(
                [CallName(each.call.tenant_id, each.call.session_id) for each in page], dry_run=dry_run
            )
            calls += len(page)
            different += len(found)
            names += found[: MAX_NAMED_DIFFERENCES - len(names)]
        return RebuildResult(calls, different, names)

    async def completeness(self, which: CallPeriod) -> Sequence[HourReport]:
        """The hours of a period that have calls, oldest first. Raises InvalidArgumentError for too long a period."""
        if which.started_from_us is None or which.started_before_us is None:
            raise InvalidArgumentError("from", "a report needs both ends of its time")
        if which.started_before_us - which.started_from_us > MAX_REPORT_HOURS * HOUR_US:
            raise InvalidArgumentError("from", f"a report covers at most {MAX_REPORT_HOURS // 24} days")
        hours: dict[int, HourReport] = {}
        async for page in self.pages(which):
            for each in page:
                hour_us = each.call.started_at_us // HOUR_US * HOUR_US
                hours.setdefault(hour_us, HourReport(hour_us)).add(each.call)
        return list(hours.values())


def _check_period(which: CallPeriod) -> None:
    if not which.tenant_id:
        raise InvalidArgumentError("tenant_id", "is missing")
    begin_us, end_us = which.started_from_us, which.started_before_us
    if begin_us is not None and end_us is not None and end_us < begin_us:
        raise InvalidArgumentError("started_before", "is before the time that the period begins")
