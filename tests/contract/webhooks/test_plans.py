"""What waits for one endpoint, or is dead, is not read when it is another one's turn, however much it is."""

import re
from typing import Any

from sqlalchemy import event, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from event_service.webhooks.domain import Verdict, WebhookState
from event_service.webhooks.ports import PurgeBounds
from event_service.webhooks.sql_schema import webhook_deliveries
from tests.contract.webhooks.conftest import LIFETIME_US, Stores, of_many_calls, of_one_call

BOUNDS = PurgeBounds(delivered_us=1, dead_us=1 << 50, attempts=1000)
BACKLOG = 20_000
# Found by more than by their state, by their id, or only as far as they are out of time.
_HARMLESS = re.compile(r"rowid|webhook_id=\?|expires_at_us<\?")


class Statements:
    """What is sent to the database about deliveries."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.seen: list[tuple[str, Any]] = []
        event.listen(engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, _connection: object, _cursor: object, statement: str, parameters: Any, *_more: Any) -> None:
        if "webhook_deliveries" in statement and not statement.startswith(("INSERT", "EXPLAIN")):
            self.seen.append((statement, parameters[0] if isinstance(parameters, list) else parameters))


async def everything_once(stores: Stores) -> None:
    """Each kind of work on the deliveries of one endpoint and of a disabled one, with some of everything."""
    await stores.enqueue(*of_one_call("wh_1", "s1", 3), *of_many_calls("wh_1", 3))
    await stores.enqueue(*of_one_call("wh_1", "s1", 1), *of_one_call("off", "s2", 2))
    leases = await stores.lease("wh_1", most=2)
    await stores.settle(leases[:1], Verdict.DEAD)
    await stores.settle(leases[1:])
    await stores.queue.due(stores.now_us)
    letters = await stores.desk.dead_letters("wh_1", 0, 10, bodies=False)
    assert await stores.desk.replay("wh_1", [each.delivery_id for each in letters], stores.now_us, 1) == 1
    stores.clock.advance(1)
    done = await stores.purger.purge(BOUNDS, stores.now_us, 100)
    assert done.expired and done.deleted


async def test_no_statement_reads_what_waits_for_everybody(stores: Stores) -> None:
    await stores.add_webhook("wh_1")
    await stores.add_webhook("off", state=WebhookState.DISABLED)
    seen = Statements(stores.engine).seen
    await everything_once(stores)
    assert len(seen) > 20
    if stores.engine.dialect.name != "sqlite":
        # Its plans follow from its statistics.
        return
    async with stores.engine.connect() as connection:
        for statement, parameters in seen:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for step in (row[3] for row in plan):
                if "webhook_deliveries" in step:
                    assert _HARMLESS.search(step), f"{step}: {statement}"


async def test_a_backlog_is_not_read_to_find_who_has_something_due(stores: Stores) -> None:
    """Known to PostgreSQL's statistics, it once was: that any row would do made reading all of them look cheap."""
    await stores.add_webhook("dead")
    await stores.add_webhook("wh_1")
    row = {
        "webhook_id": "dead",
        "partition_id": 0,
        "due_at_us": stores.now_us,
        "queued_at_us": stores.now_us,
        "expires_at_us": stores.now_us + LIFETIME_US,
        "attempts": 0,
        "message_type": "call.event",
        "session_id": "s",
        "body": b"x" * 500,
        **dict.fromkeys(("lease_token", "reason", "last_error", "message_id"), ""),
        "last_status_code": 0,
    }
    rows = [
        {**row, "call_key": number.to_bytes(16, "big"), "state": "waiting" if number % 5 else "pending"}
        for number in range(BACKLOG)
    ]
    async with stores.engine.begin() as connection:
        await connection.execute(insert(webhook_deliveries), rows)
    async with stores.engine.begin() as connection:
        await connection.execute(text("ANALYZE"))
    seen = Statements(stores.engine).seen
    assert await stores.queue.due(stores.now_us) == ["dead"]
    ((statement, parameters),) = seen
    explain = "EXPLAIN QUERY PLAN" if stores.engine.dialect.name == "sqlite" else "EXPLAIN"
    async with stores.engine.connect() as connection:
        plan = str((await connection.exec_driver_sql(f"{explain} {statement}", parameters)).all())
    assert "webhook_deliveries_due" in plan
    assert "Seq Scan on webhook_deliveries" not in plan
    assert "webhook_deliveries_expiry" not in plan
