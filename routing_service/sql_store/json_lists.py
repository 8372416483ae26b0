"""Lists of any length as one parameter of a statement."""

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


def list_elements(parameter: str, is_sqlite: bool, elements: str | None = None) -> Any:
    """A table of one column, `value`: the elements of a JSON list, `elements` or what is given for the parameter.

    The statement stays the same text, prepared once and cached, and no limit on the number of variables is met.
    """
    document = sa.bindparam(parameter, type_=sa.Text) if elements is None else sa.bindparam(None, elements, sa.Text)
    if is_sqlite:
        return sa.func.json_each(document).table_valued(sa.column("value", sa.Text)).alias("wanted")
    return (
        sa.func.jsonb_array_elements(sa.cast(document, JSONB)).table_valued(sa.column("value", JSONB)).alias("wanted")
    )


def element(value: Any, place: int, is_sqlite: bool) -> Any:
    """One text of an element that is a list itself."""
    if is_sqlite:
        return sa.func.json_extract(value, f"$[{place}]", type_=sa.Text)
    return value[place].astext


def json_list(rows: Sequence[Sequence[str]]) -> str:
    """The parameter for these elements."""
    return orjson.dumps(rows).decode()
