"""The webhooks' part of the event service's settings."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from common.errors import InvalidArgumentError
from event_service.webhooks.addresses import AddressPolicy, parse_networks
from event_service.webhooks.circuit import CircuitRules
from event_service.webhooks.schedule import DEFAULT_DELAYS_SECONDS, parse_delays
from event_service.webhooks.urls import UrlPolicy, parse_ports

# Pauses of a circuit grow up to this many times the first.
_MAX_OPEN_FACTOR = 20
_PARSERS = {
    "webhooks_allowed_ports": parse_ports,
    "webhooks_allowed_networks": parse_networks,
    "webhooks_retry_delays_seconds": parse_delays,
}


class WebhookSettings(BaseSettings):
    """Settings of the webhooks; part of `EventServiceSettings`."""

    webhooks_deliver: bool = Field(
        default=True,
        description="Whether this replica delivers webhooks; their API is there in any case. Where no replica does, "
        "retention drops nothing, since it waits for what is not yet queued.",
    )
    webhooks_allow_http: bool = Field(
        default=False, description="Whether webhooks may have http URLs: messages then travel readable to all."
    )
    webhooks_allowed_ports: str = Field(
        default="443", description="Ports that webhooks may be posted to, such as `443,8000-8999`."
    )
    webhooks_allowed_networks: str = Field(
        default="",
        description="Networks beside the public internet that webhooks may be posted to, such as "
        "`10.20.0.0/16,fd12:3456::/48`. A cloud's metadata service has to be named by its own address.",
    )
    webhooks_ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authorities that endpoints' certificates are checked against, "
        "instead of the system's.",
    )
    webhooks_key_file: Path | None = Field(
        default=None,
        description="File of keys that signing secrets are sealed with, each line the base64 of 32 bytes; the first "
        "seals, all open. Without it they are stored as they are.",
    )
    webhooks_max_per_tenant: int = Field(default=20, ge=1, description="Most webhooks of one enterprise.")
    webhooks_max_in_flight: int = Field(
        default=256,
        ge=1,
        description="Most requests of this replica at a time, beyond what every endpoint may always have, whatever the "
        "others have: a thirty-second of this (8 of 256), at least one, within its own limits.",
    )
    webhooks_retry_delays_seconds: str = Field(
        default=",".join(str(delay) for delay in DEFAULT_DELAYS_SECONDS),
        description="Delays between the attempts for a message; each varies by a tenth. One more attempt than delays.",
    )
    webhooks_circuit_failures: int = Field(
        default=5, ge=1, description="Failed requests in a row after which an endpoint is given a pause."
    )
    webhooks_circuit_open_seconds: float = Field(
        default=30.0,
        gt=0,
        description="The first such pause; each failure after it doubles the next, to 20 times this.",
    )
    webhooks_poll_seconds: float = Field(
        default=0.2, gt=0, description="How often the log and the queue are looked at when nothing wakes the deliverer."
    )
    webhooks_lease_margin_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long after a request's own time limit another replica takes its delivery over; more than the "
        "replicas' clocks differ.",
    )
    webhooks_keep_delivered_hours: float = Field(
        default=24.0, gt=0, description="How long delivered messages stay in the queue's table."
    )
    webhooks_keep_dead_letters_days: float = Field(
        default=30.0, gt=0, description="How long dead letters can be replayed."
    )
    webhooks_keep_attempts: int = Field(
        default=1000, ge=1, description="Latest attempts of each webhook that stay in the attempt log."
    )

    @field_validator(*_PARSERS)
    @classmethod
    def _check_text(cls, text: str, info: ValidationInfo) -> str:
        try:
            _PARSERS[str(info.field_name)](text)
        except InvalidArgumentError as error:
            raise ValueError(error.message.partition(": ")[2]) from error
        return text

    @property
    def webhooks_urls(self) -> UrlPolicy:
        """Where messages may be posted."""
        return UrlPolicy(
            AddressPolicy(parse_networks(self.webhooks_allowed_networks)),
            parse_ports(self.webhooks_allowed_ports),
            self.webhooks_allow_http,
        )

    @property
    def webhooks_circuit(self) -> CircuitRules:
        """When endpoints are given a pause, and how long."""
        open_seconds = self.webhooks_circuit_open_seconds
        return CircuitRules(self.webhooks_circuit_failures, open_seconds, open_seconds * _MAX_OPEN_FACTOR)
