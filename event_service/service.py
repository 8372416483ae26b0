"""What the event service does: take events in, show calls, keep what is no event."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from common.auth.grants import ANONYMOUS
from common.clock import Clock, to_microseconds
from common.errors import InvalidArgumentError, NotFoundError
from common.numbers import DEFAULT_REGION, is_region, normalize_number
from event_service.append_stats import AppendStats
from event_service.domain import CallEvent, CallRevision, CallState, LoggedDecision
from event_service.limits import (
    MAX_BATCH_ITEMS,
    MAX_IDENTIFIER_CHARACTERS,
    MAX_RAW_BODY_BYTES,
    check_decision,
    check_event,
    check_text,
)
from event_service.page_tokens import page_token, position_behind, read_page_token
from event_service.ports import (
    CallFilter,
    CallHistory,
    CallReader,
    EventOutcome,
    EventStatus,
    Quarantine,
    QuarantinedMessage,
)

MAX_PAGE_SIZE = 1000
DEFAULT_PAGE_SIZE = 100
# Of the bodies of quarantined messages in one reply, or of the callData of calls; above the largest of them.
MAX_PAGE_BYTES = 16 * 1024 * 1024

_Item = TypeVar("_Item")


class Appender(Protocol):
    """Where events go: the log, or what groups requests before it."""

    async def append(self, events: Sequence[CallEvent], decisions: Sequence[LoggedDecision]) -> Sequence[EventOutcome]:
        """See `EventLog.append` and `GroupCommitter.append`."""
        ...


class EventIntake:
    """Takes what the gateway received."""

    def __init__(self, appender: Appender, clock: Clock, stats: AppendStats | None = None) -> None:
        self._appender = appender
        self._stats = stats if stats is not None else AppendStats()
        self._clock = clock

    async def publish(self, events: Sequence[CallEvent]) -> list[EventOutcome]:
        """Store events; one outcome for each, after they are on disk. What can't be stored fails on its own.

        An event without a receive time was received now. Raises ResourceExhaustedError or UnavailableError when none
        of them was stored, InvalidArgumentError for a request that is too large.
        """
        _check_batch("events", len(events))
        outcomes: list[EventOutcome | None] = [None] * len(events)
        valid: list[tuple[int, CallEvent]] = []
        for position, event in enumerate(events):
            if event.received_at_us == 0:
                event = replace(event, received_at_us=to_microseconds(self._clock.now()))
            try:
                check_event(event)
            except InvalidArgumentError as error:
                outcomes[position] = EventOutcome(EventStatus.INVALID, error=error.message)
            else:
                valid.append((position, event))
        if valid:
            stored = await self._appender.append([event for _, event in valid], ())
            for (position, _), outcome in zip(valid, stored, strict=True):
                outcomes[position] = outcome
        answers = [outcome for outcome in outcomes if outcome is not None]
        self._stats.taken(answers)
        return answers

    async def record_decisions(self, decisions: Sequence[LoggedDecision]) -> None:
        """Store answers to queries. Raises InvalidArgumentError naming the first that can't be stored (then none is),
        ResourceExhaustedError, UnavailableError."""
        _check_batch("decisions", len(decisions))
        for position, decision in enumerate(decisions):
            check_decision(decision, f"decisions[{position}]")
        if decisions:
            await self._appender.append((), decisions)
            self._stats.decisions += len(decisions)


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which calls to list. `number` in any usual writing; `page_size` 0: the default."""

    tenant_id: str
    number: str = ""
    default_region: str = ""
    states: frozenset[CallState] = frozenset()
    started_from_us: int | None = None
    started_before_us: int | None = None
    page_size: int = 0
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class CallPage:
    """One page of calls, and the token of the next one; empty: this was the last."""

    calls: Sequence[CallRevision]
    next_page_token: str


class CallQueries:
    """Shows a tenant's calls."""

    def __init__(self, reader: CallReader) -> None:
        self._reader = reader

    async def get(self, tenant_id: str, session_id: str) -> CallRevision:
        """One call. Raises NotFoundError, InvalidArgumentError."""
        _check_call_name(tenant_id, session_id)
        found = await self._reader.get(tenant_id, session_id)
        if found is None:
            raise NotFoundError("nothing is known of this call")
        return found

    async def list_calls(self, query: CallQuery) -> CallPage:
        """A page of calls, newest first. Raises InvalidArgumentError naming the field."""
        _check_identifier("tenant_id", query.tenant_id)
        which = CallFilter(
            tenant_id=query.tenant_id,
            number=_wanted_number(query.number, query.default_region),
            states=query.states,
            started_from_us=query.started_from_us,
            started_before_us=query.started_before_us,
        )
        size = _page_size(query.page_size)
        after = read_page_token(query.page_token, _asked(which)) if query.page_token else None
        # One more than asked for tells whether there is another page.
        found = await self._reader.list_page(which, after, size + 1)
        calls = list(_fitting(found[:size], _text_bytes))
        more = len(found) > len(calls)
        return CallPage(calls, page_token(position_behind(calls[-1].call), _asked(which)) if more else "")

    async def history(self, tenant_id: str, session_id: str) -> CallHistory:
        """A call's events in the order of the log, and its decisions. Raises NotFoundError, InvalidArgumentError."""
        _check_call_name(tenant_id, session_id)
        found = await self._reader.history(tenant_id, session_id)
        if found is None:
            raise NotFoundError("nothing is known of this call")
        return found


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """One page of quarantined messages, and the token of the next one; empty: this was the last."""

    messages: Sequence[QuarantinedMessage]
    next_page_token: str


class QuarantineDesk:
    """Keeps messages that could not be taken as events, for operators to look at."""

    def __init__(self, quarantine: Quarantine, clock: Clock) -> None:
        self._quarantine = quarantine
        self._clock = clock

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> int:
        """Store messages; how many old ones were dropped for them. Raises InvalidArgumentError naming the field."""
        _check_batch("messages", len(messages))
        for position, message in enumerate(messages):
            name = f"messages[{position}]"
            check_text(f"{name}.reason", message.reason)
            check_text(f"{name}.tenant_id", message.tenant_id)
            check_text(f"{name}.content_type", message.content_type)
            if len(message.raw_body) > MAX_RAW_BODY_BYTES:
                raise InvalidArgumentError(f"{name}.raw_body", f"longer than {MAX_RAW_BODY_BYTES} bytes")
            if not 0 <= message.received_at_us < 1 << 63:
                raise InvalidArgumentError(f"{name}.received_at_us", "not microseconds since 1970 UTC")
        now_us = to_microseconds(self._clock.now())
        return await self._quarantine.add(
            [replace(message, received_at_us=message.received_at_us or now_us) for message in messages]
        )

    async def list_messages(self, tenant_id: str, page_size: int, page_token: str) -> QuarantinePage:
        """A page of messages, oldest first. Raises InvalidArgumentError naming the field."""
        check_text("tenant_id", tenant_id)
        size = _page_size(page_size)
        try:
            after_id = int(page_token) if page_token else 0
        except ValueError as error:
            raise InvalidArgumentError("page_token", "not from a previous page") from error
        if not 0 <= after_id < 1 << 63:
            raise InvalidArgumentError("page_token", "not from a previous page")
        found = await self._quarantine.list_page(tenant_id, after_id, size + 1)
        messages = list(_fitting(found[:size], lambda message: len(message.raw_body)))
        return QuarantinePage(messages, str(messages[-1].message_id) if len(found) > len(messages) else "")

    async def delete(self, message_ids: Sequence[int], actor: str = ANONYMOUS) -> int:
        """Remove messages; how many there were. `actor` is who wants it, for the audit log."""
        _check_batch("message_ids", len(message_ids))
        if not message_ids:
            return 0
        return await self._quarantine.delete(message_ids, to_microseconds(self._clock.now()), actor)


def _fitting(items: Iterable[_Item], size_of: Callable[[_Item], int]) -> Iterator[_Item]:
    """The first items, as many as fit into a reply; at least one."""
    size_bytes = 0
    for item in items:
        size_bytes += size_of(item)
        if size_bytes > MAX_PAGE_BYTES:
            return
        yield item


def _check_batch(field: str, count: int) -> None:
    if count > MAX_BATCH_ITEMS:
        raise InvalidArgumentError(field, f"more than {MAX_BATCH_ITEMS} in one request")


def _check_identifier(field: str, text: str) -> None:
    if not text:
        raise InvalidArgumentError(field, "is missing")
    check_text(field, text, MAX_IDENTIFIER_CHARACTERS)


def _check_call_name(tenant_id: str, session_id: str) -> None:
    _check_identifier("tenant_id", tenant_id)
    _check_identifier("session_id", session_id)


def _wanted_number(number: str, region: str) -> str:
    if region and not is_region(region):
        raise InvalidArgumentError("default_region", "not a region code such as CN")
    if not number:
        return ""
    try:
        return normalize_number(number, region or DEFAULT_REGION)
    except ValueError as error:
        raise InvalidArgumentError("number", str(error)) from error


def _page_size(page_size: int) -> int:
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidArgumentError("page_size", f"1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}")
    return page_size or DEFAULT_PAGE_SIZE


def _text_bytes(revised: CallRevision) -> int:
    call = revised.call
    return sum(len(text.encode()) for text in (call.user_data, call.recording_path, call.client_id, call.charge_ext))


def _asked(which: CallFilter) -> list[object]:
    return [
        which.tenant_id,
        which.number,
        sorted(state.value for state in which.states),
        which.started_from_us,
        which.started_before_us,
    ]
