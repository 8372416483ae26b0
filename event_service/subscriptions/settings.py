"""The subscriptions' part of the event service's settings."""

from pydantic import Field
from pydantic_settings import BaseSettings


class SubscriptionSettings(BaseSettings):
    """Settings of the subscriptions; part of `EventServiceSettings`."""

    subscriptions_max_per_tenant: int = Field(default=100, ge=1, description="Most subscriptions of one enterprise.")
    subscriptions_poll_seconds: float = Field(
        default=0.2,
        gt=0,
        description="How often the log is looked at for streams when no commit of this replica wakes them.",
    )
    subscriptions_lease_seconds: float = Field(
        default=5.0,
        ge=1,
        le=8,
        description="How long a consumer that died keeps its partitions; more than the replicas' clocks differ.",
    )
    subscriptions_heartbeat_seconds: float = Field(
        default=3.0, gt=0, description="How often a stream with nothing to deliver shows a sign of life."
    )
    subscriptions_stall_seconds: float = Field(
        default=30.0, gt=0, description="A consumer that acknowledges nothing for so long is cut."
    )
