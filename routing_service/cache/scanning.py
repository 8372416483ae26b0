"""Who tries numbers one after the other finds nothing each time, and finds it in the store: that is limited."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from common.clock import Clock
from routing_service.domain.decision import Candidates, RouteKey
from routing_service.ports import ReadError


@dataclass(slots=True)
class _Account:
    """How many more looks that find nothing a tenant has; below zero after a batch that went too far."""

    left: float
    at: float


class ScanLimit:
    """How often in a second the store is read for a tenant to find nothing.

    Each tenant has its own share, in each process. What is remembered costs nothing, neither does what is found; so it
    is reached by those only who ask for ever other numbers. Until the second is over everything of theirs that is not
    remembered goes unread.
    """

    def __init__(self, per_second: float, clock: Clock) -> None:
        """0: no limit."""
        self._per_second = per_second
        # At least one, or nothing could ever be asked for.
        self._most = max(1.0, per_second)
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def allows(self, tenant_id: str) -> bool:
        """Whether the store may be read for this tenant now."""
        account = self._accounts.get(tenant_id)
        if account is None:
            return True
        now = self._clock.monotonic()
        account.left += max(0.0, now - account.at) * self._per_second
        account.at = now
        if account.left >= self._most:
            del self._accounts[tenant_id]
        return account.left > 0

    def note(self, found: Mapping[RouteKey, Candidates | ReadError], asked_for: Collection[RouteKey]) -> None:
        """What the store had for these keys."""
        if not self._per_second:
            return
        for key in asked_for:
            candidates = found[key]
            if isinstance(candidates, Candidates) and not candidates.bindings:
                account = self._accounts.setdefault(key.tenant_id, _Account(self._most, self._clock.monotonic()))
                # One batch in flight is not to be paid for all day.
                account.left = max(account.left - 1, -self._most)
