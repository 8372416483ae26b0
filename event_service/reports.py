"""What is told of many calls at once: exports, counts, completeness, and whether the records are right."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from common.auth.grants import ANONYMOUS
from common.errors import InvalidArgumentError
from event_service.domain import CallRevision, CallState
from event_service.page_tokens import position_behind
from event_service.ports import CallName, CallPeriod, CallPosition, CallReports, CallTally, CallUpkeep

HOUR_US = 3_600_000_000
# Counted in one statement: of the largest tenants' calls no more than it has time for. Whole slices make an hour.
TALLY_US = 600_000_000
PAGE_CALLS = 500
# Few at a time, since nobody can append to their partitions while they are folded; then the partitions are left to
# those who append for as long as it took.
REFOLD_CALLS = 50
_PAUSE_SHARE = 1.0
# Of one request: well inside a client's deadline, and the age at which connections end.
MAX_REBUILD_SECONDS = 3.0
# Looked at in one statement, by name only.
LOG_SLICE_CALLS = 1000
MAX_NAMED_DIFFERENCES = 100
MAX_REPORT_HOURS = 24 * 92
_ACTIVE = tuple(state for state in CallState if not state.is_finished)


@dataclass(frozen=True, slots=True)
class ActiveCalls:
    """Calls that began and have not ended; of these the ones in which the two are talking."""

    active: int
    answered: int


@dataclass(frozen=True, slots=True)
class RebuildPosition:
    """How far a rebuild has come: behind a call among the records; then, where calls without a record are looked for,
    behind a call's key in the log."""

    record: CallPosition | None = None
    log_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """How many calls were folded anew, how many records were different or missing, and the first of those.

    `following`: where to go on; None: this was all.
    """

    calls: int
    different: int
    names: Sequence[CallName]
    following: RebuildPosition | None = None


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

    def add(self, tally: CallTally) -> None:
        self.calls += tally.calls
        if not tally.state.is_finished:
            self.active += tally.calls
        if tally.state is CallState.UNTERMINATED:
            self.unterminated += tally.calls
        if tally.anomalies:
            self.with_anomalies += tally.calls
            for kind in {anomaly.partition(":")[0] for anomaly in tally.anomalies}:
                self.anomaly_kinds[kind] += tally.calls
        elif tally.state.is_finished:
            self.complete += tally.calls


class CallReporting:
    """Reports on a tenant's calls."""

    def __init__(
        self,
        reports: CallReports,
        upkeep: CallUpkeep,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reports = reports
        self._upkeep = upkeep
        self._monotonic = monotonic
        self._sleep = sleep

    def pages(self, which: CallPeriod, after: CallPosition | None = None) -> AsyncIterator[Sequence[CallRevision]]:
        """All calls of a period, oldest first, in pages that fit into memory; those behind `after`.

        Raises InvalidArgumentError at once.
        """
        _check_period(which)
        return self._pages(which, after)

    async def _pages(self, which: CallPeriod, after: CallPosition | None) -> AsyncIterator[Sequence[CallRevision]]:
        while page := await self._reports.walk(which, after, PAGE_CALLS):
            yield page
            after = position_behind(page[-1].call)

    async def count_active(self, tenant_id: str) -> ActiveCalls:
        """How many calls are going on."""
        _check_period(CallPeriod(tenant_id))
        counts = await self._reports.count_states(tenant_id, _ACTIVE)
        return ActiveCalls(sum(counts.values()), counts.get(CallState.ANSWERED, 0))

    async def rebuild(
        self,
        which: CallPeriod,
        *,
        dry_run: bool,
        position: RebuildPosition | None = None,
        actor: str = ANONYMOUS,
    ) -> RebuildResult:
        """Fold calls of a period anew from the log, for some seconds. With `dry_run` the records are only compared.

        Without bounds of time, calls that the log has and that have no record get one, after all others. `actor` is who
        wants it, for the audit log.
        """
        _check_period(which)
        position = position if position is not None else RebuildPosition()
        give_up_at = self._monotonic() + MAX_REBUILD_SECONDS
        calls = different = 0
        names: list[CallName] = []
        while True:
            wanted, position = await self._to_refold(which, position)
            for start in range(0, len(wanted), REFOLD_CALLS):
                began = self._monotonic()
                some = wanted[start : start + REFOLD_CALLS]
                found = await self._upkeep.refold(some, dry_run=dry_run, actor=actor)
                different += len(found)
                names += found[: MAX_NAMED_DIFFERENCES - len(names)]
                await self._sleep((self._monotonic() - began) * _PAUSE_SHARE)
            calls += len(wanted)
            # At least one step is done, so that a rebuild comes to its end.
            if position is None or self._monotonic() >= give_up_at:
                return RebuildResult(calls, different, names, position)

    async def _to_refold(
        self, which: CallPeriod, position: RebuildPosition
    ) -> tuple[Sequence[CallName], RebuildPosition | None]:
        """The next calls, and the position behind them; None: there is nothing more."""
        if position.log_key is None:
            page = await self._reports.walk(which, position.record, REFOLD_CALLS)
            if page:
                names = [CallName(each.call.tenant_id, each.call.session_id) for each in page]
                return names, RebuildPosition(position_behind(page[-1].call))
            has_bounds = which.started_from_us is not None or which.started_before_us is not None
            return (), None if has_bounds else RebuildPosition(log_key=b"")
        found = await self._upkeep.unrecorded(which.tenant_id, position.log_key, LOG_SLICE_CALLS)
        return found.names, None if found.last_key is None else RebuildPosition(log_key=found.last_key)

    async def completeness(self, which: CallPeriod) -> Sequence[HourReport]:
        """The hours of a period that have calls, oldest first. Raises InvalidArgumentError for too long a period."""
        if which.started_from_us is None or which.started_before_us is None:
            raise InvalidArgumentError("from", "a report needs both ends of its time")
        if which.started_before_us < which.started_from_us:
            raise InvalidArgumentError("before", "is before the time that the report begins")
        if which.started_before_us - which.started_from_us > MAX_REPORT_HOURS * HOUR_US:
            raise InvalidArgumentError("from", f"a report covers at most {MAX_REPORT_HOURS // 24} days")
        _check_period(which)
        hours: dict[int, HourReport] = {}
        end_us = which.started_before_us
        rest = which
        while (first_us := await self._reports.first_start(rest)) is not None:
            slice_end_us = min(first_us // TALLY_US * TALLY_US + TALLY_US, end_us)
            hour_us = first_us // HOUR_US * HOUR_US
            hour = hours.setdefault(hour_us, HourReport(hour_us))
            for tally in await self._reports.tally(CallPeriod(which.tenant_id, first_us, slice_end_us)):
                hour.add(tally)
            rest = CallPeriod(which.tenant_id, slice_end_us, end_us)
        return list(hours.values())


def _check_period(which: CallPeriod) -> None:
    if not which.tenant_id:
        raise InvalidArgumentError("tenant_id", "is missing")
    begin_us, end_us = which.started_from_us, which.started_before_us
    if begin_us is not None and end_us is not None and end_us < begin_us:
        raise InvalidArgumentError("started_before", "is before the time that the period begins")
