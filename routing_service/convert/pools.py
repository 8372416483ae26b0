"""Number pools."""

from datetime import timedelta
from typing import Any

from axbridge.routing.v1 import number_pool_service_pb2

from common.errors import InvalidArgumentError
from common.masking import mask_number
from routing_service.convert.values import enum_value, moment_to_proto
from routing_service.domain.number_pool import AccessNumber, AllocationWish, PoolForecast, PreviousNumberPolicy

_POLICIES = {
    number_pool_service_pb2.PREVIOUS_NUMBER_POLICY_STICKY: PreviousNumberPolicy.STICKY,
    number_pool_service_pb2.PREVIOUS_NUMBER_POLICY_AVOID: PreviousNumberPolicy.AVOID,
}


def access_number_from_proto(message: number_pool_service_pb2.AccessNumber) -> AccessNumber:
    return AccessNumber(
        number=message.number,
        tenant_id=message.tenant_id,
        pool=message.pool,
        city_code=message.city_code,
        capabilities=tuple(message.capabilities),
    )


def access_number_to_proto(number: AccessNumber) -> number_pool_service_pb2.AccessNumber:
    return number_pool_service_pb2.AccessNumber(
        number=number.number,
        tenant_id=number.tenant_id,
        pool=number.pool,
        city_code=number.city_code,
        capabilities=number.capabilities,
        live_bindings=number.live_bindings,
        last_released_at=None if number.last_released_at is None else moment_to_proto(number.last_released_at),
    )


def wish_from_proto(
    request: number_pool_service_pb2.AllocateBindingRequest, default_cool_down: timedelta
) -> AllocationWish:
    """Which access number is wanted. Raises InvalidArgumentError."""
    policy = enum_value(_POLICIES, request.previous_number_policy, "previous_number_policy")
    cool_down = duration_from_proto(request, "cool_down")
    return AllocationWish(
        pool=request.pool,
        city_code=request.city_code,
        nationwide_fallback=request.nationwide_fallback,
        capabilities=tuple(request.capabilities),
        previous_number_policy=PreviousNumberPolicy.NO_MATTER if policy is None else policy,
        cool_down=default_cool_down if cool_down is None else cool_down,
    )


def duration_from_proto(message: Any, name: str) -> timedelta | None:
    """The span in the field `name`, None when it is absent. Raises InvalidArgumentError."""
    if not message.HasField(name):
        return None
    duration = getattr(message, name)
    try:
        return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)
    except OverflowError as error:
        raise InvalidArgumentError(name, "that is longer than can be counted") from error


def forecast_to_proto(forecast: PoolForecast) -> number_pool_service_pb2.PoolForecastResponse:
    return number_pool_service_pb2.PoolForecastResponse(
        access_numbers=forecast.access_numbers,
        needed=forecast.needed,
        busiest_number=mask_number(forecast.busiest_number),
        peak_live_bindings=forecast.peak_live_bindings,
    )
