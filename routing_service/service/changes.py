"""Following the changes of a tenant's bindings."""

from collections.abc import AsyncIterator, Sequence

from common.errors import InvalidArgumentError, UnavailableError
from routing_service.change_bell import ChangeBell
from routing_service.domain.journal import BindingChange
from routing_service.not_found import no_such_tenant
from routing_service.ports import ChangeFeed, TenantStore
from routing_service.tenant_rules import check_tenant_id

ONLY_WHAT_COMES = -1
# What a watcher is sent at once, and all that is held for one.
PAGE_SIZE = 200
# How soon a watcher hears of what another replica wrote.
POLL_SECONDS = 0.2


class ChangeService:
    """Streams of changes, each from the position that its reader knows."""

    def __init__(
        self, feed: ChangeFeed, tenants: TenantStore, bell: ChangeBell, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._feed = feed
        self._tenants = tenants
        self._bell = bell
        self._poll_seconds = poll_seconds

    async def watch(self, tenant_id: str, after_position: int) -> AsyncIterator[Sequence[BindingChange]]:
        """Every change behind a position, then those to come, some at a time, without end.

        The next ones are read when the reader asks for them. Raises InvalidArgumentError, also for a position that was
        not reached yet, NotFoundError for an unknown tenant, and UnavailableError when the service stops or the store
        can't be read: the reader goes on from the last position that it has.
        """
        position = await self.first_position(tenant_id, after_position)
        with self._bell.ear(tenant_id) as ear:
            while not self._bell.is_closed:
                ear.forget()
                changes = await self._feed.changes_after(tenant_id, position, PAGE_SIZE)
                if changes:
                    position = changes[-1].position
                    yield changes
                else:
                    await ear.wait(self._poll_seconds)
        raise UnavailableError("the service is stopping: go on from the last position at another replica")

    async def first_position(self, tenant_id: str, after_position: int) -> int:
        """The position behind which a stream begins that asks for this one. Raises what `watch` raises at first."""
        check_tenant_id(tenant_id, "tenant_id")
        if after_position < ONLY_WHAT_COMES:
            raise InvalidArgumentError("after_position", "a position, 0 for all that is kept or -1 for what comes")
        if await self._tenants.get(tenant_id) is None:
            raise no_such_tenant(tenant_id)
        last = await self._feed.last_position(tenant_id)
        if after_position == ONLY_WHAT_COMES:
            return last
        if after_position > last:
            raise InvalidArgumentError("after_position", f"the last position is {last}")
        return after_position
