"""Many new rows at once, without the work that SQLAlchemy has with each of them."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import AbortedError, UnavailableError


async def insert_rows(connection: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of two columns or more, all the same ones; for the others the database has defaults.

    It has to come behind another statement of its transaction. Raises AbortedError when a row is there already.
    """
    if not rows:
        return
    names = [*rows[0]]
    records = [*map(itemgetter(*names), rows)]
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" for _ in names)
        text = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names of our own
        await connection.exec_driver_sql(text, records)
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    # SQLAlchemy begins a transaction with the first statement that goes through it.
    assert driver.is_in_transaction(), "rows are copied within a transaction only"
    try:
        await driver.copy_records_to_table(table.name, records=records, columns=names)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise AbortedError("somebody else changed this at the same time", reason="CONCURRENT_CHANGE") from error
    except asyncpg.SyntaxOrAccessError:
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnavailableError("the store can't be reached") from error
