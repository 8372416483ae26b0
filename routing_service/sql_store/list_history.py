"""Entries of number lists that are no more, and what the lists were at a time in the past."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import to_microseconds
from routing_service.domain.decision import RouteKey
from routing_service.domain.number_list import NumberListAction
from routing_service.sql_schema import number_list_entries, number_list_history
from routing_service.sql_store.sealing import stored_number


async def keep_entries_as_history(connection: AsyncConnection, at: datetime, *where: Any) -> None:
    """Put down that the entries for which `where` holds end now; they are to be removed in the same transaction."""
    columns = number_list_entries.c
    at_us = sa.literal(to_microseconds(at), sa.BigInteger)
    # A clock that was set back must not make an entry end before it began.
    ended = sa.case((columns.created_at_us > at_us, columns.created_at_us), else_=at_us)
    names = [*columns.keys(), "ended_at_us"]
    await connection.execute(
        sa.insert(number_list_history).from_select(names, sa.select(*columns, ended).where(*where))
    )


def past_statements(key: RouteKey, access_number: str, at_us: int) -> Iterable["sa.Select[Any]"]:
    """Those of the entries of that time that could match the caller, and the ALLOW entry that lasted longest."""
    then = [
        sa.select(*(table.c[column.name] for column in number_list_entries.c)).where(
            table.c.tenant_id == key.tenant_id,
            table.c.access_number == access_number,
            table.c.created_at_us <= at_us,
            still_there,
        )
        for table, still_there in (
            (number_list_entries, sa.true()),
            (number_list_history, number_list_history.c.ended_at_us > at_us),
        )
    ]
    beginnings = [
        stored_number(key.tenant_id, key.calling_number[:length]) for length in range(1, len(key.calling_number) + 1)
    ]
    matching = sa.union_all(*(each.where(each.selected_columns.pattern.in_(beginnings)) for each in then)).subquery()
    allowing = sa.union_all(
        *(each.where(each.selected_columns.action == NumberListAction.ALLOW.value) for each in then)
    ).subquery()
    last = allowing.c.expires_at_us.desc(), allowing.c.entry_id.desc()
    return sa.select(matching), sa.select(allowing).order_by(*last).limit(1)
