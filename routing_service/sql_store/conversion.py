"""Sealing what a routing database holds in plain text, and sealing it anew under the tenants' latest keys.

Rows are walked in the order of their keys, some at a time, each lot in a transaction. A row that is done already is
passed over, so both may be cut off and run again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.at_rest.cipher import SEALED_TEXT, KeysNeededError, current_cipher, using
from common.at_rest.key_ring import KeyRing
from common.at_rest.master_keys import MasterKeys
from common.at_rest.opening import KeptDatabase, Mode, check_master, is_done, note_done, read_mode, write_mode
from common.at_rest.sql_keys import SqlKeyStore
from common.errors import FailedPreconditionError
from common.sql import begin_write
from routing_service.sql_schema import (
    audit_entries,
    binding_claims,
    binding_history,
    bindings,
    hunt_orders,
    last_callers,
    member_activity,
    number_list_entries,
    number_list_history,
    requests,
    tenant_history,
    tenants,
)
from routing_service.sql_store.journal import opened_documents, seal_documents
from routing_service.sql_store.sealing import (
    Columns,
    caller_place,
    opened_binding,
    opened_entry,
    opened_tenant,
    request_digest,
    request_place,
    sealed_binding,
    sealed_entry,
    sealed_tenant,
    stored_number,
)

ROWS_AT_ONCE = 500
# The steps that can't be told from the rows.
_REQUESTS, _MEMORIES = 1, 2


@dataclass(frozen=True, slots=True)
class _Sealable:
    """A table whose rows hold their sealed values in `sealed`; the names of its key tell how they are found."""

    table: sa.Table
    sealed: tuple[str, ...]
    seal: Callable[[Columns], dict[str, Any]]
    open: Callable[[Columns], Columns]

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.table.primary_key.columns)


def _sealed_audit(columns: Columns) -> dict[str, Any]:
    row = dict(columns)
    seal_documents(row)
    return row


def _opened_audit(columns: Columns) -> Columns:
    before, after = opened_documents(columns)
    return {**columns, "before_json": before, "after_json": after}


_TABLES = (
    _Sealable(tenants, ("settings",), sealed_tenant, opened_tenant),
    _Sealable(tenant_history, ("settings",), sealed_tenant, opened_tenant),
    _Sealable(bindings, ("details",), sealed_binding, opened_binding),
    _Sealable(binding_history, ("details",), sealed_binding, opened_binding),
    _Sealable(number_list_entries, ("note",), sealed_entry, opened_entry),
    _Sealable(number_list_history, ("note",), sealed_entry, opened_entry),
    _Sealable(audit_entries, ("before_json", "after_json"), _sealed_audit, _opened_audit),
)


async def encrypt(kept: KeptDatabase, master: MasterKeys, told: Callable[[str, int], None]) -> None:
    """Seal everything that is plain; no service may run meanwhile. `told` hears how many rows of a table are done.

    Raises FailedPreconditionError when the database is encrypted already, or under another master key.
    """
    async with begin_write(kept.engine) as connection:
        mode = await read_mode(connection, kept.tables)
        if mode is Mode.ENCRYPTED:
            raise FailedPreconditionError(f"the {kept.name} database is encrypted already", reason="ENCRYPTED")
        if mode is Mode.PLAIN:
            await write_mode(connection, kept.tables, Mode.ENCRYPTING, master)
        await check_master(connection, kept, master)
    ring = KeyRing(SqlKeyStore(kept.engine, kept.tables), master)
    await ring.refresh()
    with using(ring):
        await ring.with_keys(lambda: _seal_requests(kept), create=True)
        await ring.with_keys(lambda: _seal_memories(kept), create=True)
        for each in _TABLES:
            told(each.table.name, await _walk(kept, ring, each, _sealed_plain))
    async with begin_write(kept.engine) as connection:
        await write_mode(connection, kept.tables, Mode.ENCRYPTED, master)
    await _forget_old_pages(kept)


async def reencrypt(kept: KeptDatabase, ring: KeyRing, told: Callable[[str, int], None]) -> None:
    """Seal everything anew that was sealed under an old key; beside running services. `told` as above."""
    with using(ring):
        for each in _TABLES:
            told(each.table.name, await _walk(kept, ring, each, _resealed))
        told(requests.name, await ring.with_keys(lambda: _reseal_requests(kept, ring)))
        told(last_callers.name, await ring.with_keys(lambda: _reseal_callers(kept, ring)))


_Change = Callable[[KeyRing, _Sealable, Columns], "dict[str, Any] | None"]


async def _walk(kept: KeptDatabase, ring: KeyRing, what: _Sealable, change: _Change) -> int:
    """Change the rows of a table; how many were. `change` returns a row's new columns, None to leave it."""
    key = [what.table.c[name] for name in what.key]
    after: Sequence[Any] | None = None
    changed = 0
    while True:
        page = sa.select(what.table).order_by(*key).limit(ROWS_AT_ONCE)
        if after is not None:
            page = page.where(sa.tuple_(*key) > sa.tuple_(*after))

        async def lot(page: Any = page) -> tuple[Sequence[Any] | None, int]:
            async with begin_write(kept.engine) as connection:
                rows = (await connection.execute(page)).mappings().all()
                count = 0
                for row in rows:
                    new = change(ring, what, row)
                    if new is not None:
                        count += await _replace(connection, what, row, new)
                last = [rows[-1][name] for name in what.key] if len(rows) == ROWS_AT_ONCE else None
                return last, count

        after, count = await ring.with_keys(lot, create=True)
        changed += count
        if after is None:
            return changed


def _sealed_plain(_ring: KeyRing, what: _Sealable, row: Columns) -> dict[str, Any] | None:
    if any(row[name].startswith(SEALED_TEXT) for name in what.sealed) and _opens(what, row):
        return None
    # A page that only looks sealed is somebody's text.
    return what.seal(row)


def _opens(what: _Sealable, row: Columns) -> bool:
    try:
        what.open(row)
    except KeysNeededError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, it is no sealed row
        return False
    return True


def _resealed(ring: KeyRing, what: _Sealable, row: Columns) -> dict[str, Any] | None:
    current = SEALED_TEXT + ring.current_key_id(row["tenant_id"]) + "."
    if all(not row[name] or row[name].startswith(current) for name in what.sealed):
        return None
    return what.seal(what.open(row))


async def _replace(connection: AsyncConnection, what: _Sealable, old: Columns, new: dict[str, Any]) -> int:
    """Put a row's new columns down, unless somebody changed it since it was read."""
    table = what.table
    same = [table.c[name] == old[name] for name in (*what.key, *what.sealed)]
    differing = {name: value for name, value in new.items() if value != old[name]}
    if not differing:
        return 0
    replaced = await connection.execute(sa.update(table).where(*same).values(differing))
    if replaced.rowcount and table is bindings:
        for name in ("a_number", "b_number"):
            if old[name] and name in differing:
                await _hash_claims(connection, old, old[name], new[name])
    return int(replaced.rowcount)


async def _hash_claims(connection: AsyncConnection, binding: Columns, number: str, stored: str) -> None:
    of_number = (binding_claims.c.binding_id == binding["binding_id"], binding_claims.c.number == number)
    await connection.execute(sa.update(binding_claims).where(*of_number).values(number=stored))


async def _seal_requests(kept: KeptDatabase) -> None:
    async with begin_write(kept.engine) as connection:
        if await is_done(connection, kept.tables, _REQUESTS):
            return
        for row in (await connection.execute(sa.select(requests))).mappings().all():
            await _put_request(connection, row, row["result"], hashes=True)
        await note_done(connection, kept.tables, _REQUESTS)


async def _put_request(connection: AsyncConnection, row: Columns, result: str, *, hashes: bool) -> None:
    cipher, tenant_id = current_cipher(), row["tenant_id"]
    place = request_place(row["request_id"], row["part"])
    new = {"result": cipher.seal(tenant_id, place, result) if result else ""}
    if hashes:
        new["content_hash"] = request_digest(cipher, tenant_id, row["content_hash"])
    same = [requests.c[name] == row[name] for name in ("tenant_id", "request_id", "part", "result")]
    await connection.execute(sa.update(requests).where(*same).values(new))


async def _seal_memories(kept: KeptDatabase) -> None:
    async with begin_write(kept.engine) as connection:
        if await is_done(connection, kept.tables, _MEMORIES):
            return
        # Who was idle for how long, and a minute's orders: found out again by the next calls.
        for table in (hunt_orders, member_activity):
            await connection.execute(sa.delete(table))
        for row in await _callers(connection):
            await _put_caller(
                connection, row, row["calling_number"], stored_number(row["tenant_id"], row["owner_number"])
            )
        await note_done(connection, kept.tables, _MEMORIES)


async def _callers(connection: AsyncConnection) -> Sequence[Columns]:
    joined = last_callers.join(bindings, bindings.c.binding_id == last_callers.c.binding_id)
    return (
        (await connection.execute(sa.select(last_callers, bindings.c.tenant_id).select_from(joined))).mappings().all()
    )


async def _put_caller(connection: AsyncConnection, row: Columns, calling_number: str, owner_number: str) -> None:
    sealed = current_cipher().seal(row["tenant_id"], caller_place(row["binding_id"]), calling_number)
    same = [last_callers.c[name] == row[name] for name in ("binding_id", "calling_number")]
    await connection.execute(
        sa.update(last_callers).where(*same).values(calling_number=sealed, owner_number=owner_number)
    )


async def _reseal_requests(kept: KeptDatabase, ring: KeyRing) -> int:
    count = 0
    async with begin_write(kept.engine) as connection:
        for row in (await connection.execute(sa.select(requests).where(requests.c.result != ""))).mappings().all():
            if not row["result"].startswith(SEALED_TEXT + ring.current_key_id(row["tenant_id"]) + "."):
                place = request_place(row["request_id"], row["part"])
                await _put_request(connection, row, ring.open(row["tenant_id"], place, row["result"]), hashes=False)
                count += 1
    return count


async def _reseal_callers(kept: KeptDatabase, ring: KeyRing) -> int:
    count = 0
    async with begin_write(kept.engine) as connection:
        for row in await _callers(connection):
            if not row["calling_number"].startswith(SEALED_TEXT + ring.current_key_id(row["tenant_id"]) + "."):
                opened = ring.open(row["tenant_id"], caller_place(row["binding_id"]), row["calling_number"])
                await _put_caller(connection, row, opened, row["owner_number"])
                count += 1
    return count


async def _forget_old_pages(kept: KeptDatabase) -> None:
    """What was replaced still stands in a SQLite file's free pages, and in its log, until it is written anew."""
    if kept.engine.dialect.name != "sqlite":
        return
    async with kept.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await driver.execute("VACUUM")
        await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
