"""What the gateway needs from the other services."""

from collections.abc import Sequence
from typing import Protocol

from gateway.domain import (
    AnsweredQuery,
    Query,
    ReceivedEvent,
    RejectedMessage,
    RouteDecision,
    TenantSettings,
)


class RouteResolver(Protocol):
    """Decides queries."""

    async def resolve(self, query: Query, traceparent: str, deadline: float) -> RouteDecision:
        """The decision. `deadline` is on the monotonic clock.

        Raises DeadlineExceededError at the deadline at the latest, ResourceExhaustedError at once when too many wait,
        UnavailableError when nobody can be reached. Resolving changes nothing, so it may be done twice.
        """
        ...


class EventPublisher(Protocol):
    """Stores events."""

    async def publish(self, event: ReceivedEvent, deadline: float) -> None:
        """Returns once the event is on disk, or was there before. `deadline` is on the monotonic clock.

        Raises InvalidArgumentError for an event that can't be stored in any form; DeadlineExceededError at the deadline
        at the latest, ResourceExhaustedError and UnavailableError when it is not known to be stored. Publishing twice
        stores once.
        """
        ...


class Quarantine(Protocol):
    """Keeps what could not be taken as an event."""

    async def keep(self, message: RejectedMessage, timeout_seconds: float) -> None:
        """Returns once the message is kept. Raises AxbridgeError when it is not known to be."""
        ...


class TenantSource(Protocol):
    """Where enterprises are known."""

    async def list_tenants(self) -> Sequence[TenantSettings]:
        """All of them. Raises AxbridgeError when they can't be read whole."""
        ...

    async def get_tenant(self, tenant_id: str) -> TenantSettings | None:
        """One of them, None when there is no such. Raises AxbridgeError when that can't be told."""
        ...


class DecisionRecorder(Protocol):
    """Keeps the answers given to queries, for the call records."""

    async def record(self, answered: Sequence[AnsweredQuery]) -> None:
        """Returns once they are stored. Recording one again is safe. Raises AxbridgeError."""
        ...


class DecisionSink(Protocol):
    """Takes answered queries on the hot path."""

    def add(self, answered: AnsweredQuery) -> None:
        """Never waits and never raises: what there is no room for is dropped and counted."""
        ...
