"""`axbridge encryption`: numbers at rest. Works on the routing service's database itself, by its settings."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import stdout_console
from common.errors import AxbridgeError, FailedPreconditionError, UnavailableError

if TYPE_CHECKING:
    from common.at_rest.master_keys import FileMasterKeys
    from common.at_rest.opening import KeptDatabase

app = typer.Typer(
    help="Numbers encrypted at rest: keys, and rows that are there already. AXBRIDGE_ROUTING_… settings say which "
    "database.",
    no_args_is_help=True,
)

_STATEMENT_TIMEOUT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The database of the settings, and the master keys of its file."""

    kept: "KeptDatabase"
    master: "FileMasterKeys"


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="Where to write the key. It must not be there yet.")],
) -> None:
    """Write a new master key. Whoever has lost it has lost the numbers: keep a copy where the database is not."""
    from common.at_rest.master_keys import new_master_key

    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(new_master_key() + "\n")
    except OSError as error:
        raise AxbridgeError(f"can't write {file}: {error.strerror}") from error
    stdout_console().print(f"wrote {file}, readable by you only")


@app.command()
def status() -> None:
    """Say how the database keeps numbers, and under how many keys."""

    async def work(opened: Opened) -> None:
        from common.at_rest.key_ring import KeyKind
        from common.at_rest.opening import check_master, read_mode
        from common.at_rest.sql_keys import SqlKeyStore

        async with opened.kept.engine.connect() as connection:
            mode = await read_mode(connection, opened.kept.tables)
            await check_master(connection, opened.kept, opened.master)
        stored = await SqlKeyStore(opened.kept.engine, opened.kept.tables).read(None)
        data = [each for each in stored if each.kind is KeyKind.DATA]
        old = sum(each.wrapped.master_key_id != opened.master.current_id for each in stored)
        tenants = len({each.tenant_id for each in data})
        console = stdout_console()
        console.print(f"the {opened.kept.name} database is {mode.value}")
        console.print(f"{len(data)} data keys of {tenants} tenants, {old} keys wrapped by an older master key")

    _run(work)


@app.command()
def encrypt() -> None:
    """Encrypt a database that holds numbers in plain text. Stop the service first; run it again if it is cut off."""

    async def work(opened: Opened) -> None:
        from routing_service.sql_store.conversion import encrypt as convert

        await convert(opened.kept, opened.master, _told("rows sealed"))
        stdout_console().print(f"the {opened.kept.name} database is encrypted")

    _run(work)


@app.command()
def rewrap() -> None:
    """Wrap all keys with the first master key in the file; then the older ones may be taken out of it."""

    async def work(opened: Opened) -> None:
        from common.at_rest.rotation import rewrap as wrap_again

        stdout_console().print(f"{await wrap_again(opened.kept, opened.master)} keys wrapped anew")

    _run(work)


@app.command()
def rotate(tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "") -> None:
    """Give tenants new data keys. What was sealed before stays readable; `reencrypt` seals it anew."""

    async def work(opened: Opened) -> None:
        from common.at_rest.rotation import rotate as make_new

        stdout_console().print(f"{await make_new(opened.kept, opened.master, tenant)} new data keys")

    _run(work)


@app.command()
def reencrypt(
    destroy_old: Annotated[
        bool, typer.Option("--destroy-old", help="Then destroy the old keys, so that old backups can't be read.")
    ] = False,
) -> None:
    """Seal everything anew that was sealed under older data keys. The service may go on meanwhile."""

    async def work(opened: Opened) -> None:
        from common.at_rest.key_ring import KeyRing
        from common.at_rest.rotation import destroy_old as destroy
        from common.at_rest.sql_keys import SqlKeyStore
        from routing_service.sql_store.conversion import reencrypt as seal_again

        ring = KeyRing(SqlKeyStore(opened.kept.engine, opened.kept.tables), opened.master)
        await ring.refresh()
        await seal_again(opened.kept, ring, _told("rows sealed anew"))
        if not destroy_old:
            return
        left: list[int] = []
        # Until a whole walk finds nothing: the service may have written under an old key until a moment ago.
        while not left or any(left):
            left.clear()
            await seal_again(opened.kept, ring, lambda _, count: left.append(count))
        stdout_console().print(f"{await destroy(opened.kept)} old keys destroyed")

    _run(work)


def _told(what: str) -> Callable[[str, int], None]:
    return lambda table, count: stdout_console().print(f"{table}: {count} {what}")


def _run(work: Callable[[Opened], Awaitable[None]]) -> None:
    async def run() -> None:
        async with _opened() as opened:
            await work(opened)

    asyncio.run(run())


@asynccontextmanager
async def _opened() -> AsyncIterator[Opened]:
    # Slow to import, and no other command needs them.
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    from common.at_rest.master_keys import open_master_keys
    from common.settings_problems import settings_problem
    from common.sql import open_engine
    from routing_service.migrate import check_schema
    from routing_service.settings import RoutingServiceSettings
    from routing_service.sql_store.kept import kept_database

    try:
        settings = RoutingServiceSettings()
    except ValidationError as error:
        raise AxbridgeError(settings_problem(error, "AXBRIDGE_ROUTING_")) from error
    if settings.master_key_file is None:
        raise FailedPreconditionError("AXBRIDGE_ROUTING_MASTER_KEY_FILE is not set: it names the master key's file")
    engine = open_engine(
        settings.effective_database_url, pool_size=2, statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS
    )
    try:
        await check_schema(engine)
        yield Opened(kept_database(engine), open_master_keys(settings.master_key_file))
    except (SQLAlchemyError, OSError) as error:
        raise UnavailableError(f"the routing database can't be used: {getattr(error, 'orig', error)}") from error
    finally:
        await engine.dispose()
