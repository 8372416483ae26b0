"""CallMemoryStore on a database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from common.at_rest.cipher import current_cipher
from common.clock import to_microseconds
from common.telemetry import names
from common.telemetry.tracing import PartSpan
from routing_service.domain.call_memory import ORDER_LIFE, GroupCall, OwnerCall, WantedRecollection
from routing_service.domain.decision import Recollection
from routing_service.sql_schema import hunt_orders, last_callers, member_activity
from routing_service.sql_store.database import Database
from routing_service.sql_store.json_lists import element, list_elements
from routing_service.sql_store.sealing import caller_place, order_place, stored_number


class SqlCallMemoryStore:
    """CallMemoryStore on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._orders = _statement(hunt_orders, ("tenant_id", "session_id", "binding_id"), database.is_sqlite)
        self._activity = _statement(member_activity, ("tenant_id", "number"), database.is_sqlite)
        self._callers = _statement(last_callers, ("binding_id",), database.is_sqlite)

    async def recall(
        self, wanted: Collection[WantedRecollection], now: datetime
    ) -> Mapping[WantedRecollection, Recollection]:
        sessions = {(each.tenant_id, each.session_key, each.binding_id) for each in wanted if each.members}
        owned = {(each.binding_id,) for each in wanted if each.owner_number}

        async def work(connection: AsyncConnection) -> Mapping[WantedRecollection, Recollection]:
            members = {(each.tenant_id, stored_number(each.tenant_id, n)) for each in wanted for n in each.members}
            return _recollections(
                wanted,
                await _rows(connection, self._orders, sessions),
                await _rows(connection, self._activity, members),
                await _rows(connection, self._callers, owned),
                to_microseconds(now),
            )

        system = self._database.system
        with PartSpan(names.SELECT_CALLS, {"db.system.name": system, "db.operation.batch.size": len(wanted)}):
            return await self._database.read(work)

    async def store(self, groups: Sequence[GroupCall], owners: Sequence[OwnerCall], now: datetime) -> None:
        now_us = to_microseconds(now)
        expires_at_us = to_microseconds(now + ORDER_LIFE)
        groups, owners = sorted(groups, key=attrgetter("at_us")), sorted(owners, key=attrgetter("at_us"))
        # Of each key the last one stays: of a session the first call, of everything else the latest.
        order_rows = {
            (each.tenant_id, each.session_key, each.binding_id): each for each in reversed(groups) if each.session_key
        }
        routed = {(each.tenant_id, each.order[0]): each.at_us for each in groups}
        called = {each.binding_id: each for each in owners}

        # Rows are written always in the same order, or two replicas could wait for each other.
        async def work(connection: AsyncConnection) -> None:
            cipher = current_cipher()
            insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            await connection.execute(sa.delete(hunt_orders).where(hunt_orders.c.expires_at_us <= now_us))
            if order_rows:
                statement = insert(hunt_orders).on_conflict_do_nothing()
                await connection.execute(
                    statement,
                    [
                        {
                            "tenant_id": tenant_id,
                            "session_id": session_key,
                            "binding_id": binding_id,
                            "members": cipher.seal(
                                tenant_id,
                                order_place(session_key, binding_id),
                                orjson.dumps(order_rows[tenant_id, session_key, binding_id].order).decode(),
                            ),
                            "expires_at_us": expires_at_us,
                        }
                        for tenant_id, session_key, binding_id in sorted(order_rows)
                    ],
                )
            if routed:
                statement = insert(member_activity)
                latest = statement.on_conflict_do_update(
                    index_elements=[member_activity.c.tenant_id, member_activity.c.number],
                    set_={"last_routed_at_us": statement.excluded.last_routed_at_us},
                    where=member_activity.c.last_routed_at_us < statement.excluded.last_routed_at_us,
                )
                await connection.execute(
                    latest,
                    [
                        {"tenant_id": tenant_id, "number": number, "last_routed_at_us": at_us}
                        for tenant_id, number, at_us in sorted(
                            (tenant_id, stored_number(tenant_id, number), at_us)
                            for (tenant_id, number), at_us in routed.items()
                        )
                    ],
                )
            if called:
                statement = insert(last_callers)
                columns = ("access_number", "owner_number", "calling_number", "called_at_us")
                latest = statement.on_conflict_do_update(
                    index_elements=[last_callers.c.binding_id],
                    set_={name: statement.excluded[name] for name in columns},
                    where=last_callers.c.called_at_us < statement.excluded.called_at_us,
                )
                await connection.execute(
                    latest,
                    [
                        {
                            "binding_id": binding_id,
                            "access_number": called[binding_id].access_number,
                            "owner_number": stored_number(
                                called[binding_id].tenant_id, called[binding_id].owner_number
                            ),
                            "calling_number": cipher.seal(
                                called[binding_id].tenant_id,
                                caller_place(binding_id),
                                called[binding_id].calling_number,
                            ),
                            "called_at_us": called[binding_id].at_us,
                        }
                        for binding_id in sorted(called)
                    ],
                )

        await self._database.write(work)


def _recollections(
    wanted: Collection[WantedRecollection],
    order_rows: Sequence[Any],
    activity_rows: Sequence[Any],
    caller_rows: Sequence[Any],
    now_us: int,
) -> Mapping[WantedRecollection, Recollection]:
    cipher = current_cipher()
    orders = {
        (row.tenant_id, row.session_id, row.binding_id): row.members for row in order_rows if row.expires_at_us > now_us
    }
    activity = {(row.tenant_id, row.number): row.last_routed_at_us for row in activity_rows}
    callers = {(row.binding_id, row.access_number, row.owner_number): row for row in caller_rows}
    found = {}
    for each in wanted:
        tenant_id = each.tenant_id
        members = orders.get((tenant_id, each.session_key, each.binding_id), "")
        if members:
            members = cipher.open(tenant_id, order_place(each.session_key, each.binding_id), members)
        caller = callers.get((each.binding_id, each.access_number, stored_number(tenant_id, each.owner_number)))
        last_caller = ""
        if caller is not None:
            last_caller = cipher.open(tenant_id, caller_place(each.binding_id), caller.calling_number)
        idle = {number: activity.get((tenant_id, stored_number(tenant_id, number))) for number in each.members}
        found[each] = Recollection(
            order=tuple(orjson.loads(members)) if members else (),
            last_routed_at_us={number: at_us for number, at_us in idle.items() if at_us is not None},
            last_caller=last_caller,
            last_called_at_us=0 if caller is None else caller.called_at_us,
        )
    return found


def _statement(table: sa.Table, columns: Sequence[str], is_sqlite: bool) -> sa.Select[Any]:
    wanted = list_elements("wanted", is_sqlite)
    same = (table.c[name] == element(wanted.c.value, place, is_sqlite) for place, name in enumerate(columns))
    return sa.select(*table.c).select_from(wanted.join(table, sa.and_(*same)))


async def _rows(
    connection: AsyncConnection, statement: sa.Select[Any], wanted: Collection[tuple[str, ...]]
) -> Sequence[Any]:
    if not wanted:
        return []
    rows: Sequence[Any] = (await connection.execute(statement, {"wanted": orjson.dumps([*wanted]).decode()})).all()
    return rows
