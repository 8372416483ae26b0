"""The audit log of the event service."""

from datetime import UTC, datetime, timedelta

import pytest

from common.auth.unmasking import UNMASK_ACTION, UnmaskedRequest
from common.clock import SystemClock
from common.errors import InvalidArgumentError
from common.sql import open_engine
from event_service.migrate import migrate
from event_service.privacy.audit import AuditEntry, AuditService
from event_service.privacy.sql_audit import SqlAuditLog
from event_service.sql_database import EventDatabase

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


async def test_entries_are_listed_newest_first_in_pages(database_url: str) -> None:
    engine = open_engine(database_url)
    try:
        await migrate(engine)
        log = SqlAuditLog(EventDatabase(engine))
        service = AuditService(log, SystemClock())
        await log.add([AuditEntry("t1", AT + timedelta(seconds=n), "ops", "numbers.unmask", f"{n}") for n in range(5)])
        await service.record(UnmaskedRequest("billing", "/x/ListCalls", ("t1", "t2"), '{"rpc": "x"}'))
        await log.add([])
        page = await service.list_page("t1", 4, "")
        assert [each.actor for each in page.entries] == ["billing", "ops", "ops", "ops"]
        assert page.entries[0].action == UNMASK_ACTION and page.entries[1].at == AT + timedelta(seconds=4)
        rest = await service.list_page("t1", 4, page.next_page_token)
        assert [each.after_json for each in rest.entries] == ["1", "0"] and rest.next_page_token == ""
        assert len((await service.list_page("t2", 0, "")).entries) == 1
        for wrong in (("", 0, ""), ("t1", 1001, ""), ("t1", 0, "x")):
            with pytest.raises(InvalidArgumentError):
                await service.list_page(*wrong)
    finally:
        await engine.dispose()
