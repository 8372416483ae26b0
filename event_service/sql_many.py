"""Running one statement for many rows.

SQLAlchemy's own way prepares the parameters of each row anew, which costs several times what the database needs for the
row. Here the statement is compiled once, and rows go to the driver as they are: numbers, texts, bytes, booleans.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Insert, Update
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection


async def execute_many(
    connection: AsyncConnection, statement: Insert | Update, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Run a statement of this program's own for each row; nothing for no rows.

    All rows have the same names: columns to set, and the `bindparam`s of the statement, of which there is at least one
    name more than one. The statement must be a module's constant: it is remembered.
    """
    if not rows:
        return
    text, values_of = _compiled(statement, tuple(rows[0]), connection.dialect)
    await connection.exec_driver_sql(text, list(map(values_of, rows)))


@lru_cache(maxsize=256)
def _compiled(
    statement: Insert | Update, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]:
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    if compiled.positiontup is None:
        raise TypeError(f"the driver of {dialect.name} takes no positional parameters")
    return str(compiled), itemgetter(*compiled.positiontup)
