"""Whether a database is encrypted, and opening it the way it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.at_rest.key_ring import KeyRing
from common.at_rest.master_keys import MasterKeys, WrappedKey
from common.at_rest.sql_keys import KeyTables, SqlKeyStore
from common.errors import FailedPreconditionError
from common.sql import begin_write

_MODE = 1
# Rows from here on say which steps of encrypting a database are done.
_FIRST_STEP = 100
_PROOF_CONTEXT = "encryption_state"
_PROOF = b"axbridge"


class Mode(Enum):
    """How a database keeps numbers."""

    PLAIN = "plain"
    # Begun by `axbridge encryption encrypt`, and not finished.
    ENCRYPTING = "encrypting"
    ENCRYPTED = "encrypted"


@dataclass(frozen=True, slots=True)
class KeptDatabase:
    """A service's database: `name` for people, `variable` names the setting of the master key, `has_rows` says whether
    anything is stored that would have to be encrypted."""

    name: str
    variable: str
    engine: AsyncEngine
    tables: KeyTables
    has_rows: Callable[[AsyncConnection], Awaitable[bool]]


async def read_mode(connection: AsyncConnection, tables: KeyTables) -> Mode:
    """How the database keeps numbers."""
    mode: str | None = await connection.scalar(sa.select(tables.state.c.mode).where(tables.state.c.state_id == _MODE))
    return Mode.PLAIN if mode is None else Mode(mode)


async def write_mode(connection: AsyncConnection, tables: KeyTables, mode: Mode, master: MasterKeys) -> None:
    """Say how the database keeps numbers from now on."""
    proof = await master.wrap(_PROOF, _PROOF_CONTEXT)
    await connection.execute(sa.delete(tables.state).where(tables.state.c.state_id == _MODE))
    row = {"state_id": _MODE, "mode": mode.value, "master_key_id": proof.master_key_id, "proof": proof.content}
    await connection.execute(sa.insert(tables.state).values(row))


async def check_master(connection: AsyncConnection, kept: KeptDatabase, master: MasterKeys) -> None:
    """Raises FailedPreconditionError when the master key is not the one that the database was encrypted under."""
    row = (
        await connection.execute(sa.select(kept.tables.state).where(kept.tables.state.c.state_id == _MODE))
    ).one_or_none()
    if row is None:
        return
    try:
        await master.unwrap(WrappedKey(row.master_key_id, row.proof), _PROOF_CONTEXT)
    except FailedPreconditionError as error:
        raise FailedPreconditionError(
            f"the {kept.name} database was encrypted under another master key than that of {kept.variable}: "
            f"{error.message}",
            reason="WRONG_MASTER_KEY",
        ) from error


async def open_key_ring(kept: KeptDatabase, master: MasterKeys | None) -> KeyRing | None:
    """The keys of a database as it is; None where it is plain. An empty one becomes what `master` says.

    Raises FailedPreconditionError, saying what to do, when the data is kept in another way than the settings say, and
    UnavailableError.
    """
    try:
        await _check_mode(kept, master)
    except sa.exc.IntegrityError:
        # Another process was the first one to say how the empty database is kept.
        await _check_mode(kept, master)
    if master is None:
        return None
    ring = KeyRing(SqlKeyStore(kept.engine, kept.tables), master)
    await ring.refresh()
    return ring


async def _check_mode(kept: KeptDatabase, master: MasterKeys | None) -> None:
    async with begin_write(kept.engine) as connection:
        mode = await read_mode(connection, kept.tables)
        if mode is Mode.ENCRYPTING:
            raise FailedPreconditionError(
                f"the {kept.name} database is being encrypted: run `axbridge encryption encrypt` to its end",
                reason="ENCRYPTION_UNFINISHED",
            )
        if master is None:
            if mode is Mode.ENCRYPTED:
                raise FailedPreconditionError(
                    f"the {kept.name} database is encrypted, and {kept.variable} is not set",
                    reason="MASTER_KEY_MISSING",
                )
            return
        if mode is Mode.PLAIN:
            if await kept.has_rows(connection):
                raise FailedPreconditionError(
                    f"{kept.variable} is set, and the {kept.name} database holds numbers in plain text: stop the "
                    "service and run `axbridge encryption encrypt`",
                    reason="NOT_ENCRYPTED",
                )
            await write_mode(connection, kept.tables, Mode.ENCRYPTED, master)
        await check_master(connection, kept, master)


async def is_done(connection: AsyncConnection, tables: KeyTables, step: int) -> bool:
    """Whether a step of encrypting the database, which can't be told from its rows, was done."""
    done = sa.select(tables.state.c.mode).where(tables.state.c.state_id == _FIRST_STEP + step)
    return (await connection.execute(done)).first() is not None


async def note_done(connection: AsyncConnection, tables: KeyTables, step: int) -> None:
    """Note a step, in the transaction that does it."""
    row = {"state_id": _FIRST_STEP + step, "mode": "done", "master_key_id": "", "proof": ""}
    await connection.execute(sa.insert(tables.state).values(row))


@asynccontextmanager
async def fresh(ring: KeyRing | None) -> AsyncIterator[None]:
    """Keep a ring fresh while the context is open."""
    tasks = [] if ring is None else [asyncio.create_task(ring.keep_fresh())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
