"""Changing keys: a new master key over all data keys, and new data keys for tenants."""

import time
from collections.abc import Collection

import sqlalchemy as sa

from common.at_rest.key_ring import KeyKind, StoredKey, new_key
from common.at_rest.master_keys import MasterKeys
from common.at_rest.opening import KeptDatabase, Mode, read_mode, write_mode
from common.at_rest.sql_keys import ERASED_REST_US, SqlKeyStore, key_row
from common.errors import FailedPreconditionError
from common.sql import begin_write


async def rewrap(kept: KeptDatabase, master: MasterKeys) -> int:
    """Wrap all keys with the current master key; how many were wrapped with another one.

    The old one has to be among `master` still. May be run again, and beside the service, once that has both.
    """
    columns = kept.tables.data_keys.c
    rewrapped = 0
    for key in await SqlKeyStore(kept.engine, kept.tables).read(None):
        if key.wrapped.master_key_id == master.current_id:
            continue
        wrapped = await master.wrap(await master.unwrap(key.wrapped, key.context), key.context)
        async with begin_write(kept.engine) as connection:
            await connection.execute(
                sa.update(kept.tables.data_keys)
                .where(columns.tenant_id == key.tenant_id, columns.key_id == key.key_id)
                .values(master_key_id=wrapped.master_key_id, wrapped=wrapped.content)
            )
        rewrapped += 1
    async with begin_write(kept.engine) as connection:
        if await read_mode(connection, kept.tables) is not Mode.PLAIN:
            await write_mode(connection, kept.tables, await read_mode(connection, kept.tables), master)
    return rewrapped


async def rotate(kept: KeptDatabase, master: MasterKeys, tenant_id: str = "") -> int:
    """Give a tenant, or each of them, a new data key; how many there are. The old ones go on opening what they sealed.

    Other processes use the new ones within seconds. Raises FailedPreconditionError for a tenant without keys.
    """
    stored = await SqlKeyStore(kept.engine, kept.tables).read([tenant_id] if tenant_id else None)
    latest = _latest(stored)
    if tenant_id and not latest:
        raise FailedPreconditionError(f"tenant {tenant_id} has no keys in the {kept.name} database")
    for each in latest.values():
        key = await new_key(master, each.tenant_id, KeyKind.DATA, each.version + 1)
        async with begin_write(kept.engine) as connection:
            await connection.execute(sa.insert(kept.tables.data_keys), [key_row(key, _now_us())])
    return len(latest)


async def destroy_old(kept: KeptDatabase) -> int:
    """Destroy all data keys but each tenant's latest; how many. To be called when nothing is sealed under them.

    Raises FailedPreconditionError while another process may not know of a latest one yet.
    """
    keys = kept.tables.data_keys
    async with begin_write(kept.engine) as connection:
        rows = (await connection.execute(sa.select(keys).where(keys.c.kind == KeyKind.DATA.value))).all()
        latest: dict[str, int] = {}
        for row in rows:
            latest[row.tenant_id] = max(row.version, latest.get(row.tenant_id, 0))
        old = [row for row in rows if row.version < latest[row.tenant_id]]
        born = [row for row in rows if row.version == latest[row.tenant_id] > 1]
        if old and any(row.created_at_us + ERASED_REST_US > _now_us() for row in born):
            raise FailedPreconditionError("a key is younger than a minute: other processes may not use it yet")
        for row in old:
            await connection.execute(
                sa.delete(keys).where(keys.c.tenant_id == row.tenant_id, keys.c.key_id == row.key_id)
            )
    return len(old)


def _latest(stored: Collection[StoredKey]) -> dict[str, StoredKey]:
    latest: dict[str, StoredKey] = {}
    for each in stored:
        if each.kind is KeyKind.DATA and (
            each.tenant_id not in latest or each.version > latest[each.tenant_id].version
        ):
            latest[each.tenant_id] = each
    return latest


def _now_us() -> int:
    return time.time_ns() // 1000
