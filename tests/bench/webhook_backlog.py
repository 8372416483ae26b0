"""What is queued for webhooks after a long outage, straight in the event service's database."""

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Select, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from common.sql import begin_write, open_engine
from event_service.webhooks.sql_rows import PENDING, WAITING
from event_service.webhooks.sql_schema import webhook_deliveries, webhook_health

# Of each call the first message is tried again and again, and the others wait behind it.
MESSAGES_OF_CALL = 3
OUTAGE_SECONDS = 24 * 3600
LIFETIME_SECONDS = 90 * 3600
GONE_SECONDS = 120.0
HELD_SECONDS = 600
SETTLE_SECONDS = 1.0
_ROWS = 500


class Backlog:
    """Deliveries of one tenant's webhooks."""

    def __init__(self, database_url: str, tenant_id: str) -> None:
        self._database_url = database_url
        self._tenant_id = tenant_id

    async def fill(self, webhook_ids: Sequence[str], count: int) -> None:
        """Queue `count` messages for each: as of the last day, half of what is tried again due now, half later."""
        rows = [row for webhook_id in webhook_ids for row in self._rows(webhook_id, count)]
        held = update(webhook_health).where(webhook_health.c.webhook_id.in_(webhook_ids))
        engine = open_engine(self._database_url, statement_timeout_seconds=60)
        try:
            # One transaction, and the endpoints held: nothing is tried before all is there.
            async with begin_write(engine) as connection:
                await connection.execute(held.values(held_until_us=time.time_ns() // 1000 + HELD_SECONDS * 1_000_000))
                for first in range(0, len(rows), _ROWS):
                    await connection.execute(insert(webhook_deliveries), rows[first : first + _ROWS])
            # Over a day autovacuum would have done it.
            await _maintain(engine, "ANALYZE")
            # Commits are slow while so much that was written at once gets to the disk, which is no outage's doing.
            await asyncio.sleep(SETTLE_SECONDS)
            async with begin_write(engine) as connection:
                await connection.execute(held.values(held_until_us=0))
        finally:
            await engine.dispose()

    async def wait_until_gone(self, webhook_ids: Sequence[str]) -> None:
        """Wait until the service has purged all that was queued for them. Raises TimeoutError."""
        mine = webhook_deliveries.c.webhook_id.in_(webhook_ids)
        query = select(func.count()).select_from(webhook_deliveries).where(mine)
        engine = open_engine(self._database_url)
        try:
            async with asyncio.timeout(GONE_SECONDS):
                while await _first(engine, query):
                    await asyncio.sleep(0.2)
                await _maintain(engine, "VACUUM (ANALYZE)")
        finally:
            await engine.dispose()

    def _rows(self, webhook_id: str, count: int) -> Iterator[dict[str, Any]]:
        now_us = time.time_ns() // 1000
        for number in range(count):
            call, position = divmod(number, MESSAGES_OF_CALL)
            session_id = f"old{call}"
            message_id = f"evt_{secrets.token_hex(16)}"
            queued_at_us = now_us - OUTAGE_SECONDS * 1_000_000 + number
            is_first, is_due = position == 0, call % 2 == 0
            yield {
                "webhook_id": webhook_id,
                "partition_id": 0,
                "call_key": call.to_bytes(16, "big"),
                "state": PENDING if is_first else WAITING,
                "due_at_us": now_us + (number - count if is_due else 3_600_000_000 + number),
                "queued_at_us": queued_at_us,
                "expires_at_us": queued_at_us + LIFETIME_SECONDS * 1_000_000,
                "attempts": 3 if is_first else 0,
                "lease_token": "",
                "message_id": message_id,
                "message_type": "call.event",
                "session_id": session_id,
                "reason": "",
                "last_status_code": 500 if is_first else 0,
                "last_error": "answered with HTTP status 500" if is_first else "",
                "body": self._body(message_id, session_id, position),
            }

    def _body(self, message_id: str, session_id: str, position: int) -> bytes:
        data = {
            "tenant_id": self._tenant_id,
            "session_id": session_id,
            "call_id": "c",
            "seq": str(position),
            "code": "15",
            "padding": "x" * 500,
        }
        return orjson.dumps({"specversion": "1.0", "id": message_id, "type": "call.event", "data": data})


async def _first(engine: AsyncEngine, query: Select[int]) -> int:
    # A connection that stays in its transaction sees on SQLite what was there when it began.
    async with engine.connect() as connection:
        return (await connection.execute(query)).scalar_one()


async def _maintain(engine: AsyncEngine, statement: str) -> None:
    """What PostgreSQL does by itself sooner or later, now, so that it does not fall into a round."""
    if engine.dialect.name == "postgresql":
        async with engine.connect() as connection:
            connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"{statement} webhook_deliveries"))
            await connection.execute(text("CHECKPOINT"))
