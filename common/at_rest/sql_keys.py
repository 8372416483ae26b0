"""The tenants' keys and the state of a database's encryption in SQL, alike for every service that has a database."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.at_rest.key_ring import REFRESH_SECONDS, KeyKind, StoredKey
from common.at_rest.master_keys import WrappedKey
from common.errors import FailedPreconditionError, UnavailableError
from common.sql import begin_write

# Other processes may use an erased tenant's keys for so long: no new ones before.
ERASED_REST_US = int(REFRESH_SECONDS * 2 * 1_000_000)
_ERASED = "erased"


@dataclass(frozen=True, slots=True)
class KeyTables:
    """The tables in a service's schema."""

    data_keys: sa.Table
    state: sa.Table


def key_tables(metadata: sa.MetaData, key_text: Any) -> KeyTables:
    """Declare the tables in a service's schema; `key_text` is the type of its ids."""
    data_keys = sa.Table(
        "data_keys",
        metadata,
        sa.Column("tenant_id", key_text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        # `data`, `lookup`, or `erased`: the tenant's keys were destroyed at created_at_us.
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("master_key_id", sa.Text, nullable=False),
        sa.Column("wrapped", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        # One of each version: of two processes that make a tenant's first keys one wins.
        sa.PrimaryKeyConstraint("tenant_id", "kind", "version", name="pk_data_keys"),
    )
    state = sa.Table(
        "encryption_state",
        metadata,
        sa.Column("state_id", sa.Integer, primary_key=True, autoincrement=False),
        # `encrypting` or `encrypted`; no row: everything is plain.
        sa.Column("mode", sa.Text, nullable=False),
        # A value that only the right master key unwraps.
        sa.Column("master_key_id", sa.Text, nullable=False),
        sa.Column("proof", sa.Text, nullable=False),
    )
    return KeyTables(data_keys, state)


class SqlKeyStore:
    """KeyStore on a database, in transactions of its own."""

    def __init__(self, engine: AsyncEngine, tables: KeyTables) -> None:
        self._engine = engine
        self._keys = tables.data_keys

    async def read(self, tenant_ids: Collection[str] | None) -> Collection[StoredKey]:
        columns = self._keys.c
        query = sa.select(self._keys).where(columns.kind != _ERASED)
        if tenant_ids is not None:
            query = query.where(columns.tenant_id.in_(sorted(set(tenant_ids))))
        try:
            async with self._engine.connect() as connection:
                return [_stored_key(row) for row in (await connection.execute(query)).all()]
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError) as error:
            raise UnavailableError("the keys of numbers at rest can't be read") from error

    async def create(self, keys: Collection[StoredKey]) -> None:
        now_us = time.time_ns() // 1000
        try:
            async with begin_write(self._engine) as connection:
                await self._create(connection, keys, now_us)
        except sa.exc.IntegrityError:
            # Somebody else was faster: theirs are the tenant's.
            return
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError) as error:
            raise UnavailableError("keys of numbers at rest can't be stored") from error

    async def _create(self, connection: AsyncConnection, keys: Collection[StoredKey], now_us: int) -> None:
        columns = self._keys.c
        tenant_ids = sorted({each.tenant_id for each in keys})
        erased = sa.select(sa.func.max(columns.created_at_us)).where(
            columns.tenant_id.in_(tenant_ids), columns.kind == _ERASED
        )
        erased_at_us: int | None = await connection.scalar(erased)
        if erased_at_us is not None and now_us < erased_at_us + ERASED_REST_US:
            raise FailedPreconditionError(
                "the tenant was erased a moment ago: try again in a minute", reason="ERASED_LATELY"
            )
        await connection.execute(
            sa.delete(self._keys).where(columns.tenant_id.in_(tenant_ids), columns.kind == _ERASED)
        )
        await connection.execute(sa.insert(self._keys), [key_row(each, now_us) for each in keys])


def key_row(key: StoredKey, now_us: int) -> dict[str, Any]:
    """The columns of a key."""
    return {
        "tenant_id": key.tenant_id,
        "key_id": key.key_id,
        "kind": key.kind.value,
        "version": key.version,
        "master_key_id": key.wrapped.master_key_id,
        "wrapped": key.wrapped.content,
        "created_at_us": now_us,
    }


async def destroy_keys(connection: AsyncConnection, tables: KeyTables, tenant_id: str) -> int:
    """Destroy a tenant's keys in a transaction that takes its rows away; how many there were."""
    columns = tables.data_keys.c
    deleted = await connection.execute(sa.delete(tables.data_keys).where(columns.tenant_id == tenant_id))
    if deleted.rowcount:
        mark = {
            "tenant_id": tenant_id,
            "key_id": "",
            "kind": _ERASED,
            "version": 0,
            "master_key_id": "",
            "wrapped": "",
            "created_at_us": time.time_ns() // 1000,
        }
        await connection.execute(sa.insert(tables.data_keys).values(mark))
    return int(deleted.rowcount)


def _stored_key(row: Any) -> StoredKey:
    return StoredKey(
        row.tenant_id, row.key_id, KeyKind(row.kind), row.version, WrappedKey(row.master_key_id, row.wrapped)
    )
