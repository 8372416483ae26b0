"""The entries of allow and block lists that queries are decided from, for a whole batch by one statement."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.at_rest.cipher import current_cipher
from common.clock import to_microseconds
from routing_service.domain.decision import RouteKey
from routing_service.domain.number_list import (
    EVERY_ACCESS_NUMBER,
    NumberListAction,
    NumberListEntry,
    entries_of_interest,
)
from routing_service.sql_schema import number_list_entries
from routing_service.sql_store.json_lists import element, list_elements
from routing_service.sql_store.list_history import past_statements
from routing_service.sql_store.rows import read_list_entry

# Each key asks for all beginnings of its caller: with these many the parameter stays below half a megabyte.
_MOST_KEYS_IN_ONE_STATEMENT = 256


def is_listed(tenant_id: Any, access_number: Any) -> Any:
    """Whether there is any list, for a statement that looks at this tenant and access number anyway."""
    return sa.exists().where(
        number_list_entries.c.tenant_id == tenant_id,
        number_list_entries.c.access_number.in_([access_number, EVERY_ACCESS_NUMBER]),
    )


class CallerLists:
    """Reads list entries by key."""

    def __init__(self, is_sqlite: bool) -> None:
        self._statement = _statement(is_sqlite)

    async def read(
        self, connection: AsyncConnection, keys: Collection[RouteKey]
    ) -> Mapping[RouteKey, tuple[NumberListEntry, ...]]:
        """What `Candidates.list_entries` holds, for each of the keys. Raises UnexpectedError for a row of another
        version."""
        wanted = [*keys]
        found: dict[RouteKey, tuple[NumberListEntry, ...]] = {}
        for start in range(0, len(wanted), _MOST_KEYS_IN_ONE_STATEMENT):
            some = wanted[start : start + _MOST_KEYS_IN_ONE_STATEMENT]
            rows = (await connection.execute(self._statement, _parameters(some))).all()
            found |= _by_key(some, [read_list_entry(row) for row in rows])
        return found

    async def read_past(
        self, connection: AsyncConnection, key: RouteKey, moment: datetime
    ) -> tuple[NumberListEntry, ...]:
        """The same for one key, as the lists were at `moment`."""
        at_us = to_microseconds(moment)
        entries: list[NumberListEntry] = []
        for access_number in (key.access_number, EVERY_ACCESS_NUMBER):
            for statement in past_statements(key, access_number, at_us):
                entries += [read_list_entry(row) for row in (await connection.execute(statement)).all()]
        return _by_key([key], list({each.entry_id: each for each in entries}.values()))[key]


def _parameters(keys: Sequence[RouteKey]) -> Mapping[str, str]:
    places = {(key.tenant_id, x) for key in keys for x in (key.access_number, EVERY_ACCESS_NUMBER)}
    patterns = {
        (key.tenant_id, x, pattern)
        for key in keys
        for pattern in _patterns(key)
        for x in (key.access_number, EVERY_ACCESS_NUMBER)
    }
    return {"places": orjson.dumps([*places]).decode(), "patterns": orjson.dumps([*patterns]).decode()}


def _patterns(key: RouteKey) -> list[str]:
    """What an entry about the caller may say, as it is stored."""
    number_key = current_cipher().number_key
    return [number_key(key.tenant_id, key.calling_number[:length]) for length in range(1, len(key.calling_number) + 1)]


def _statement(is_sqlite: bool) -> Any:
    entries = number_list_entries
    patterns = list_elements("patterns", is_sqlite)
    tenant_id, access_number, pattern = (element(patterns.c.value, place, is_sqlite) for place in range(3))
    matching = sa.select(*entries.c).select_from(
        patterns.join(
            entries,
            sa.and_(
                entries.c.tenant_id == tenant_id,
                entries.c.access_number == access_number,
                entries.c.pattern == pattern,
            ),
        )
    )
    places = list_elements("places", is_sqlite)
    tenant_id, access_number = (element(places.c.value, place, is_sqlite) for place in range(2))
    allow = entries.alias("allow")
    longest = (
        sa.select(allow.c.entry_id)
        .where(
            allow.c.tenant_id == tenant_id,
            allow.c.access_number == access_number,
            allow.c.action == NumberListAction.ALLOW.value,
        )
        .order_by(allow.c.expires_at_us.desc(), allow.c.entry_id.desc())
        .limit(1)
        .correlate(places)
        .scalar_subquery()
    )
    allowing = sa.select(*entries.c).select_from(places.join(entries, entries.c.entry_id == longest))
    return sa.union(matching, allowing)


def _by_key(
    keys: Iterable[RouteKey], entries: Sequence[NumberListEntry]
) -> dict[RouteKey, tuple[NumberListEntry, ...]]:
    by_place: dict[tuple[str, str], list[NumberListEntry]] = {}
    for entry in entries:
        by_place.setdefault((entry.tenant_id, entry.terms.access_number), []).append(entry)
    return {
        key: tuple(
            entry
            for x in (key.access_number, EVERY_ACCESS_NUMBER)
            for entry in entries_of_interest(by_place.get((key.tenant_id, x), ()), key.calling_number)
        )
        for key in keys
    }
