"""The RPC methods of axbridge.events.v1.PrivacyService."""

import grpc.aio
from axbridge.events.v1 import privacy_service_pb2 as pb
from axbridge.events.v1 import privacy_service_pb2_grpc

from event_service.privacy.audit import AuditEntry, AuditService

SERVICE_NAME = "axbridge.events.v1.PrivacyService"


class PrivacyServicer(privacy_service_pb2_grpc.PrivacyServiceServicer):
    """axbridge.events.v1.PrivacyService."""

    def __init__(self, audit: AuditService) -> None:
        self._audit = audit

    async def ListAuditEntries(
        self,
        request: pb.ListAuditEntriesRequest,
        context: grpc.aio.ServicerContext[pb.ListAuditEntriesRequest, pb.ListAuditEntriesResponse],
    ) -> pb.ListAuditEntriesResponse:
        page = await self._audit.list_page(request.tenant_id, request.page_size, request.page_token, request.object_id)
        return pb.ListAuditEntriesResponse(
            entries=[_entry_to_message(entry) for entry in page.entries], next_page_token=page.next_page_token
        )


def _entry_to_message(entry: AuditEntry) -> pb.AuditEntry:
    message = pb.AuditEntry(
        entry_id=entry.entry_id,
        actor=entry.actor,
        action=entry.action,
        object_id=entry.object_id,
        before_json=entry.before_json,
        after_json=entry.after_json,
    )
    message.at.FromDatetime(entry.at)
    return message
