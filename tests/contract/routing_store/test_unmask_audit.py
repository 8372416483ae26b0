"""Who saw whole numbers stands in the audit log."""

import orjson

from common.auth.unmasking import UNMASK_ACTION, UnmaskedRequest
from routing_service.service.audit import AuditService
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT


async def test_it_is_written_down_for_every_tenant(stores: Stores) -> None:
    document = {"rpc": "/axbridge.routing.v1.BindingService/ListBindings", "request": {"number": "138****1111"}}
    request = UnmaskedRequest("billing", document["rpc"], (TENANT, OTHER_TENANT, "*"), orjson.dumps(document).decode())
    await stores.unmask_audit.record(request)
    service = AuditService(stores.audit)
    for tenant_id in request.tenant_ids:
        entry = (await service.list_page(tenant_id, "", 1, "")).entries[0]
        assert (entry.actor, entry.action, entry.object_id) == ("billing", UNMASK_ACTION, tenant_id)
        assert orjson.loads(entry.after_json) == document
