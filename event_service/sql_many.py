"""Writing many rows in one statement.

SQLAlchemy's own way prepares the parameters of each row anew, which costs several times what the database needs for the
row. Here the statement is compiled once, and values go to the driver as they are: numbers, texts, bytes, booleans. On
PostgreSQL all rows travel as one array per column in one statement, since its driver's executemany binds and executes
row by row; SQLite has no arrays and needs none.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

# What the names of a row's place begin with in an update, so that they are told from the columns to set.
AT = "at_"


async def insert_many(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; nothing for no rows. All have the same columns, at least two."""
    if rows:
        await _execute(connection, _insert, table, rows)


async def update_many(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update rows; nothing for no rows. All have the same names: columns to set, and with `at_` before them the columns
    that say which row it is. No two are about the same row."""
    if rows:
        await _execute(connection, _update, table, rows)


_Text = Callable[[Table, tuple[str, ...], Dialect], str]


async def _execute(
    connection: AsyncConnection, text_of: _Text, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    names = tuple(rows[0])
    text, values_of = _compiled(text_of, table, names, connection.dialect)
    values = map(values_of, rows)
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(text, tuple(map(list, zip(*values, strict=True))))
    else:
        await connection.exec_driver_sql(text, list(values))


@lru_cache(maxsize=256)
def _compiled(
    text_of: _Text, table: Table, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]:
    # Columns to set come before those that say where, in either statement.
    ordered = tuple(sorted(names, key=lambda name: name.startswith(AT)))
    return text_of(table, ordered, dialect), itemgetter(*ordered)


def _insert(table: Table, names: tuple[str, ...], dialect: Dialect) -> str:
    columns = ", ".join(names)
    if dialect.name != "postgresql":
        return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our names
    return f"INSERT INTO {table.name} ({columns}) SELECT * FROM {_arrays(table, names, dialect)}"  # noqa: S608


def _update(table: Table, names: tuple[str, ...], dialect: Dialect) -> str:
    places = [name for name in names if name.startswith(AT)]
    changed = [name for name in names if not name.startswith(AT)]
    if dialect.name != "postgresql":
        where = " AND ".join(f"{name.removeprefix(AT)} = ?" for name in places)
        return f"UPDATE {table.name} SET {', '.join(f'{name} = ?' for name in changed)} WHERE {where}"  # noqa: S608
    where = " AND ".join(f"{table.name}.{name.removeprefix(AT)} = new.{name}" for name in places)
    setting = ", ".join(f"{name} = new.{name}" for name in changed)
    arrays = f"{_arrays(table, names, dialect)} AS new ({', '.join(names)})"
    return f"UPDATE {table.name} SET {setting} FROM {arrays} WHERE {where}"  # noqa: S608


def _arrays(table: Table, names: tuple[str, ...], dialect: Dialect) -> str:
    types = (table.c[name.removeprefix(AT)].type.compile(dialect) for name in names)
    return f"unnest({', '.join(f'${number}::{kind}[]' for number, kind in enumerate(types, 1))})"
