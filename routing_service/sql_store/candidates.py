"""What queries are decided from, read for a whole batch by one statement each, and one more where there are lists."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.at_rest.cipher import current_cipher
from common.clock import to_microseconds
from common.errors import UnavailableError, UnexpectedError
from common.logs import get_logger
from common.telemetry import names
from common.telemetry.tracing import PartSpan
from routing_service.domain.binding import EVERY_CALLER, PAIR_KINDS, Binding
from routing_service.domain.decision import NOTHING_KNOWN, UNREADABLE, Candidates, RouteKey
from routing_service.domain.number_list import NumberListEntry
from routing_service.domain.tenant import Tenant
from routing_service.ports import Known, ReadError
from routing_service.sql_schema import (
    access_numbers,
    binding_claims,
    binding_history,
    bindings,
    pool_number_history,
    pool_numbers,
    tenant_history,
    tenants,
)
from routing_service.sql_store.caller_lists import CallerLists, is_listed
from routing_service.sql_store.database import Database
from routing_service.sql_store.json_lists import element, list_elements
from routing_service.sql_store.rows import BINDING_COLUMNS, TENANT_COLUMNS, read_binding, read_tenant
from routing_service.sql_store.sealing import stored_number

_log = get_logger(__name__)
_PAIRS = [kind.value for kind in PAIR_KINDS]
_TIMES = ("updated_at_us", "expires_at_us")


def _tenants_statement(is_sqlite: bool) -> sa.Select[Any]:
    wanted = list_elements("tenant_ids", is_sqlite)
    tenant_id = element(wanted.c.value, 0, is_sqlite)
    return sa.select(*TENANT_COLUMNS).select_from(wanted.join(tenants, tenants.c.tenant_id == tenant_id))


def candidates_statement(is_sqlite: bool) -> sa.Select[Any]:
    """The statement of `SqlCandidateSource.candidates`."""
    wanted = list_elements("keys", is_sqlite)
    tenant_id, access_number, calling_number = (element(wanted.c.value, place, is_sqlite) for place in range(3))
    owned = sa.and_(access_numbers.c.access_number == access_number, access_numbers.c.tenant_id == tenant_id)
    claimed = sa.and_(
        binding_claims.c.tenant_id == tenant_id,
        binding_claims.c.access_number == access_number,
        binding_claims.c.number.in_([calling_number, EVERY_CALLER]),
    )
    found = (
        wanted.join(access_numbers, owned)
        .outerjoin(binding_claims, claimed)
        .outerjoin(bindings, bindings.c.binding_id == binding_claims.c.binding_id)
    )
    return sa.select(
        tenant_id.label("key_tenant_id"),
        access_number.label("key_access_number"),
        calling_number.label("key_calling_number"),
        is_listed(tenant_id, access_number).label("is_listed"),
        *BINDING_COLUMNS,
    ).select_from(found)


class SqlCandidateSource:
    """CandidateSource and BindingHistory on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tenants = _tenants_statement(database.is_sqlite)
        self._candidates = candidates_statement(database.is_sqlite)
        self._lists = CallerLists(database.is_sqlite)
        self._system = {"db.system.name": database.system}

    async def tenants(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        if not tenant_ids:
            return {}
        return await self._database.with_keys(lambda: self._tenants_of(tenant_ids))

    async def _tenants_of(self, tenant_ids: Collection[str]) -> Mapping[str, Tenant | ReadError]:
        wanted = orjson.dumps([[each] for each in tenant_ids]).decode()
        with PartSpan(names.SELECT_TENANTS, {**self._system, "db.operation.batch.size": len(tenant_ids)}):
            rows = await self._database.read(lambda connection: _all(connection, self._tenants, {"tenant_ids": wanted}))
        found: dict[str, Tenant | ReadError] = {}
        for row in rows:
            try:
                found[row.tenant_id] = read_tenant(row)
            except UnexpectedError as error:
                _log.error("unreadable row", detail=error.message, exc_info=error)
                found[row.tenant_id] = error
        return found

    async def candidates(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        if not keys:
            return {}
        return await self._database.with_keys(lambda: self._candidates_of(keys))

    async def _candidates_of(self, keys: Collection[RouteKey]) -> Mapping[RouteKey, Candidates | ReadError]:
        number_key = current_cipher().number_key
        # By what is looked for: numbers as they are stored.
        by_stored = {
            (key.tenant_id, key.access_number, number_key(key.tenant_id, key.calling_number)): key for key in keys
        }
        wanted = orjson.dumps([*by_stored]).decode()
        rows_by_key: dict[RouteKey, list[sa.Row[Any]]] = {}

        async def work(connection: AsyncConnection) -> Mapping[RouteKey, tuple[NumberListEntry, ...]]:
            rows_by_key.clear()
            listed: set[RouteKey] = set()
            for row in await _all(connection, self._candidates, {"keys": wanted}):
                key = by_stored[row.key_tenant_id, row.key_access_number, row.key_calling_number]
                rows_by_key.setdefault(key, []).append(row)
                if row.is_listed:
                    listed.add(key)
            # Few tenants have lists, and only for those does a batch take a second statement.
            return await self._lists.read(connection, listed) if listed else {}

        with PartSpan(names.SELECT_BINDINGS, {**self._system, "db.operation.batch.size": len(keys)}):
            entries = await self._database.read(work)
        return {
            key: _candidates(rows_by_key[key], entries.get(key, ())) if key in rows_by_key else NOTHING_KNOWN
            for key in keys
        }

    async def look_up(self, tenant_ids: Collection[str], keys: Collection[RouteKey]) -> Known:
        tenants_found, candidates_found = await asyncio.gather(
            self.tenants(tenant_ids), self.candidates(keys), return_exceptions=True
        )
        if isinstance(tenants_found, BaseException):
            raise tenants_found
        if isinstance(candidates_found, UnavailableError):
            # The tenants' own answers to this are wanted all the same.
            return Known(tenants_found, dict.fromkeys(keys, candidates_found))
        if isinstance(candidates_found, BaseException):
            raise candidates_found
        return Known(tenants_found, candidates_found)

    async def tenant_at(self, tenant_id: str, moment: datetime) -> Tenant | None:
        then = (
            sa.select(*(tenant_history.c[column.name] for column in tenants.c))
            .where(tenant_history.c.tenant_id == tenant_id, tenant_history.c.ended_at_us > to_microseconds(moment))
            .order_by(tenant_history.c.ended_at_us)
            .limit(1)
        )
        now = sa.select(tenants).where(tenants.c.tenant_id == tenant_id)

        async def work(connection: AsyncConnection) -> Tenant | None:
            row = (await connection.execute(then)).first() or (await connection.execute(now)).first()
            return None if row is None else read_tenant(row)

        return await self._database.read(work)

    async def candidates_at(self, key: RouteKey, moment: datetime) -> Candidates:
        return await self._database.with_keys(lambda: self._candidates_at(key, moment))

    async def _candidates_at(self, key: RouteKey, moment: datetime) -> Candidates:
        at_us = to_microseconds(moment)
        versions = _versions(key, at_us, BINDING_COLUMNS, binding_history.c.ended_at_us > at_us)
        claimed = {key.calling_number, EVERY_CALLER} if key.calling_number != UNREADABLE else {EVERY_CALLER}

        async def work(connection: AsyncConnection) -> Candidates:
            bound = sa.exists().select_from(versions)
            known = await connection.scalar(sa.select(sa.or_(bound, _was_in_pool(key, at_us))))
            rows = await _all(connection, sa.select(versions).where(_concerns(versions, key)), {})
            found = [each for each in map(read_binding, rows) if claimed.intersection(each.terms.claims())]
            lost = await _lost_claims(
                connection, key, [each for each in found if each.terms.has_expired(moment)], at_us
            )
            kept = tuple(each for each in found if each.binding_id not in lost)
            entries = await self._lists.read_past(connection, key, moment)
            return Candidates(access_number_known=bool(known), bindings=kept, list_entries=entries)

        return await self._database.read(work)


def _versions(
    key: RouteKey, at_us: int, columns: Sequence["sa.Column[Any]"], still_there: "sa.ColumnElement[bool]"
) -> "sa.Subquery":
    """Versions of the bindings on the key's access number that were stored until a time: those that are there now, and
    those of the past that are `still_there`."""
    return sa.union_all(
        *(
            sa.select(*(table.c[column.name] for column in columns)).where(
                table.c.tenant_id == key.tenant_id,
                table.c.access_number == key.access_number,
                table.c.updated_at_us <= at_us,
                condition,
            )
            for table, condition in ((bindings, sa.true()), (binding_history, still_there))
        )
    ).subquery()


def _concerns(versions: "sa.Subquery", key: RouteKey) -> "sa.ColumnElement[bool]":
    calling_number = stored_number(key.tenant_id, key.calling_number)
    return sa.or_(
        versions.c.kind.not_in(_PAIRS), versions.c.a_number == calling_number, versions.c.b_number == calling_number
    )


async def _lost_claims(
    connection: AsyncConnection, key: RouteKey, expired: Sequence[Binding], at_us: int
) -> frozenset[str]:
    """Those of the expired bindings whose claim on the key's caller another binding had taken by then: it does not come
    back when that one goes."""
    if not expired:
        return frozenset()
    ends = {each.binding_id: _end_us(each) for each in expired}
    first_us = min(ends.values())
    columns = [bindings.c[name] for name in ("binding_id", "kind", "a_number", "b_number", *_TIMES)]
    written = _versions(key, at_us, columns, binding_history.c.ended_at_us >= first_us)
    later = sa.select(written).where(_concerns(written, key), written.c.updated_at_us >= first_us)
    takers = [
        row
        for row in await _all(connection, later, {})
        if row.expires_at_us is None or row.expires_at_us > row.updated_at_us
    ]
    return frozenset(
        each.binding_id
        for each in expired
        if any(
            row.binding_id != each.binding_id
            and (row.kind in _PAIRS) is (each.terms.kind in PAIR_KINDS)
            and row.updated_at_us >= ends[each.binding_id]
            for row in takers
        )
    )


def _end_us(expired: Binding) -> int:
    """When an expired binding's claim could be taken: not before its end, nor before this version of it was stored."""
    assert expired.terms.expires_at is not None, "it has expired"
    return max(to_microseconds(expired.terms.expires_at), to_microseconds(expired.updated_at) + 1)


def _was_in_pool(key: RouteKey, at_us: int) -> Any:
    """Whether the key's access number was in a pool of the tenant at a time, as a condition."""
    return sa.or_(
        *(
            sa.exists()
            .where(
                table.c.tenant_id == key.tenant_id,
                table.c.access_number == key.access_number,
                table.c.added_at_us <= at_us,
                still_there,
            )
            .correlate(None)
            for table, still_there in (
                (pool_numbers, sa.true()),
                (pool_number_history, pool_number_history.c.ended_at_us > at_us),
            )
        )
    )


async def _all(
    connection: AsyncConnection, statement: sa.Select[Any], parameters: Mapping[str, str]
) -> Sequence[sa.Row[Any]]:
    rows: Sequence[sa.Row[Any]] = (await connection.execute(statement, parameters)).all()
    return rows


def _candidates(rows: Iterable[sa.Row[Any]], list_entries: tuple[NumberListEntry, ...]) -> Candidates | UnexpectedError:
    found: list[Binding] = []
    for row in rows:
        if row.binding_id is None:
            continue
        try:
            found.append(read_binding(row))
        except UnexpectedError as error:
            _log.error("unreadable row", detail=error.message, exc_info=error)
            return error
    return Candidates(access_number_known=True, bindings=tuple(found), list_entries=list_entries)
