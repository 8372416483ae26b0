"""`axbridge migrate`: brings the databases of the routing and the event service to this version's schema."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from common.errors import AxbridgeError, UnavailableError

# Building an index on millions of rows takes its time; waiting for a table in use would hold up everybody after us.
_STATEMENT_TIMEOUT_SECONDS = 3600.0
_CONNECT_TIMEOUT_SECONDS = 10.0
_LOCK_TIMEOUT = "5s"
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """A database to migrate. `variable` is where its URL comes from, `apply` raises what went wrong."""

    name: str
    variable: str
    url: str
    apply: Callable[[str], Awaitable[None]]


def migrate(
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for a database that can't be reached.")] = 0.0,
) -> None:
    """Bring the databases of the routing and the event service to this version's schema.

    Their URLs are AXBRIDGE_ROUTING_DATABASE_URL and AXBRIDGE_EVENTS_DATABASE_URL. What is up to date is left alone.
    Services of the version before go on working with the new schema.
    """
    for target in _targets():
        if not target.url:
            typer.echo(f"{target.variable} is not set: there is no {target.name} database to migrate", err=True)
            raise typer.Exit(2)
        try:
            asyncio.run(_apply(target, wait))
        except AxbridgeError as error:
            typer.echo(f"the {target.name} database was not migrated: {error.message}", err=True)
            raise typer.Exit(1) from error
        typer.echo(f"the {target.name} database has this version's schema")


async def _apply(target: Target, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            await target.apply(target.url)
        except UnavailableError:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


def _targets() -> tuple[Target, Target]:
    # Slow to import, and no other command needs them.
    from event_service.settings import EventServiceSettings
    from routing_service.settings import RoutingServiceSettings

    routing = RoutingServiceSettings()
    routing_url = routing.effective_database_url if routing.database_url else ""
    return (
        Target("routing", "AXBRIDGE_ROUTING_DATABASE_URL", routing_url, _migrate_routing),
        Target("event", "AXBRIDGE_EVENTS_DATABASE_URL", EventServiceSettings().database_url, _migrate_events),
    )


async def _migrate_routing(url: str) -> None:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from routing_service.migrate import migrate_database

    try:
        await migrate_database(url)
    except (OSError, TimeoutError) as error:
        raise UnavailableError(f"it can't be reached: {error}") from error
    except SQLAlchemyError as error:
        # A server that starts up or is no primary yet is worth waiting for, a failed migration is not.
        cause = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None) or ""
        if isinstance(error, DBAPIError) and (error.connection_invalidated or state.startswith(("08", "57P"))):
            raise UnavailableError(str(cause)) from error
        raise AxbridgeError(str(cause)) from error


async def _migrate_events(url: str) -> None:
    from common.clock import SystemClock
    from common.sql import open_engine
    from event_service.migrate import migrate as migrate_engine
    from event_service.sql_database import EventDatabase
    from event_service.sql_days import SqlLogDays

    engine = open_engine(
        url,
        pool_size=1,
        pool_timeout_seconds=_CONNECT_TIMEOUT_SECONDS,
        statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS,
        postgres_settings={"lock_timeout": _LOCK_TIMEOUT},
    )
    try:
        await migrate_engine(engine)
        # For services whose user may not make tables.
        await SqlLogDays(EventDatabase(engine), SystemClock()).prepare()
    finally:
        await engine.dispose()
