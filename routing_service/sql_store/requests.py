"""Requests that are named by their sender, each carried out once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from common.at_rest.cipher import current_cipher
from common.clock import to_microseconds
from routing_service.domain.binding import Binding
from routing_service.domain.write_origin import REQUEST_RETENTION, WriteOrigin
from routing_service.refusals import request_id_reused
from routing_service.sql_schema import requests
from routing_service.sql_store.database import Database
from routing_service.sql_store.rows import binding_values, read_binding_values
from routing_service.sql_store.sealing import request_digest, request_place
from routing_service.sql_store.transaction import Transaction

_MOST_FORGOTTEN_AT_ONCE = 1000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ResultForm(Generic[Result]):
    """How a result is written down and read again."""

    write: Callable[[Result], str]
    read: Callable[[str], Result]


BINDING_RESULT: ResultForm[Binding] = ResultForm(
    lambda binding: orjson.dumps(binding_values(binding)).decode(),
    lambda document: read_binding_values(orjson.loads(document)),
)
NO_RESULT: ResultForm[None] = ResultForm(lambda _: "", lambda _: None)


async def once(
    transaction: Transaction,
    tenant_id: str,
    origin: WriteOrigin,
    now: datetime,
    work: Callable[[], Awaitable[Result]],
    form: ResultForm[Result],
    part: int = 0,
) -> Result:
    """What `work` returns, or what it returned when this request was carried out before, up to 24 hours ago.

    To be called first in a transaction. Another request of the same name that is going on is waited for. A result that
    is told again touches what it touched the first time: its writer may have died before the cache heard of it. Raises
    InvalidArgumentError for a name that was used for something else, and what `work` raises: then the name is not used.
    """
    if not origin.request_id:
        return await work()
    connection = transaction.connection
    cipher = current_cipher()
    place = request_place(origin.request_id, part)
    content_hash = request_digest(cipher, tenant_id, origin.content_hash)
    if not await _take_name(connection, tenant_id, replace(origin, content_hash=content_hash), now, part):
        done = (await connection.execute(sa.select(requests).where(_is(tenant_id, origin, part)))).one()
        if done.content_hash != content_hash:
            raise request_id_reused()
        for scope_tenant_id, access_number in orjson.loads(done.scopes):
            if access_number:
                transaction.touch_access_numbers(scope_tenant_id, [access_number])
            else:
                transaction.touch_tenant(scope_tenant_id)
        return form.read(cipher.open(tenant_id, place, done.result) if done.result else "")
    result = await work()
    written = form.write(result)
    scopes = [[each.tenant_id, each.access_number] for each in transaction.touched]
    await connection.execute(
        sa.update(requests)
        .where(_is(tenant_id, origin, part))
        .values(result=cipher.seal(tenant_id, place, written) if written else "", scopes=orjson.dumps(scopes).decode())
    )
    return result


async def forget_old_requests(database: Database, now: datetime) -> int:
    """Delete some of the requests that are no longer to be repeated; returns how many. Raises UnavailableError."""
    old = (
        sa.select(requests.c.tenant_id, requests.c.request_id, requests.c.part)
        .where(requests.c.created_at_us <= to_microseconds(now - REQUEST_RETENTION))
        .order_by(requests.c.created_at_us)
        .limit(_MOST_FORGOTTEN_AT_ONCE)
    )
    forget = sa.delete(requests).where(
        requests.c.tenant_id == sa.bindparam("of_tenant"),
        requests.c.request_id == sa.bindparam("of_request"),
        requests.c.part == sa.bindparam("of_part"),
        requests.c.created_at_us <= to_microseconds(now - REQUEST_RETENTION),
    )

    async def work(connection: AsyncConnection) -> int:
        found = (await connection.execute(old)).all()
        if found:
            keys = [{"of_tenant": each[0], "of_request": each[1], "of_part": each[2]} for each in found]
            await connection.execute(forget, keys)
        return len(found)

    return await database.write(work)


async def _take_name(
    connection: AsyncConnection, tenant_id: str, origin: WriteOrigin, now: datetime, part: int
) -> bool:
    """Whether the name was free; it is this transaction's then, and nobody else's until it ends."""
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    fresh = {
        "content_hash": origin.content_hash,
        "result": "",
        "scopes": "[]",
        "created_at_us": to_microseconds(now),
    }
    statement = insert(requests).values(tenant_id=tenant_id, request_id=origin.request_id, part=part, **fresh)
    taken = statement.on_conflict_do_update(
        index_elements=[requests.c.tenant_id, requests.c.request_id, requests.c.part],
        set_=fresh,
        where=requests.c.created_at_us <= to_microseconds(now - REQUEST_RETENTION),
    ).returning(requests.c.part)
    return (await connection.execute(taken)).first() is not None


def _is(tenant_id: str, origin: WriteOrigin, part: int) -> Any:
    return sa.and_(
        requests.c.tenant_id == tenant_id, requests.c.request_id == origin.request_id, requests.c.part == part
    )
