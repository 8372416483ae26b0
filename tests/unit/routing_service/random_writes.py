"""Writes of one tenant at random, for tests of what must hold whatever was written."""

import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import grpc
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    tenant_pb2,
    tenant_service_pb2,
)
from axbridge.routing.v1 import number_list_service_pb2 as lists_pb2
from axbridge.routing.v1 import number_pool_service_pb2 as pools_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.routing_service.builders import MINUTE, TENANT, X2, A, B, C, D, X
from tests.unit.routing_service.conftest import TIMEOUT_SECONDS, Client

CALLERS = (A, B, C, D)


class Writer:
    """Writes at random; what is refused changes nothing, which is fine."""

    def __init__(
        self, client: Client, seed: int, hunts: binding_pb2.HuntStrategy = binding_pb2.HUNT_STRATEGY_ROUND_ROBIN
    ) -> None:
        self.client = client
        self.hunts = hunts
        self.choices = random.Random(seed)
        self.binding_ids: list[str] = []
        self.entry_ids: list[str] = []

    async def write(self) -> None:
        kinds: list[Callable[[], Awaitable[None]]] = [self.bind, self.change, self.end, self.bind, self.end]
        kinds += [self.list_somebody, self.unlist_somebody, self.set_fallback, self.pool]
        try:
            await self.choices.choice(kinds)()
        except grpc.aio.AioRpcError as error:
            assert error.code() in (
                grpc.StatusCode.ALREADY_EXISTS,
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.FAILED_PRECONDITION,
            ), error.details()

    def stamp(self, later: timedelta = timedelta()) -> Timestamp:
        moment = Timestamp()
        moment.FromDatetime(self.client.clock.now() + later)
        return moment

    def expiry(self) -> Timestamp | None:
        # Nothing is written that has expired already: of that, history does not tell whether it got its caller.
        return self.stamp(self.choices.randint(1, 4) * MINUTE) if self.choices.random() < 0.7 else None

    def fields(self) -> dict[str, Any]:
        a, b, c = self.choices.sample(CALLERS, 3)
        one_way = self.choices.random() < 0.3
        common = {"access_number": self.choices.choice((X, X2)), "expires_at": self.expiry()}
        if self.choices.random() < 0.3:
            common["not_before"] = self.stamp(MINUTE)
        kinds = (
            {
                "kind": binding_pb2.BINDING_KIND_AXB,
                "a_number": a,
                "b_number": b,
                "one_way": one_way,
            },
            {"kind": binding_pb2.BINDING_KIND_AX, "a_number": a, "b_number": "", "callback_number": c},
            {
                "kind": binding_pb2.BINDING_KIND_AXG,
                "a_number": "",
                "b_number": "",
                "targets": [binding_pb2.BindingTarget(number=each) for each in (a, b)],
                "hunt_strategy": self.hunts,
            },
        )
        return {**common, **self.choices.choice(kinds)}

    async def bind(self) -> None:
        self.binding_ids.append((await self.client.bind(**self.fields())).binding_id)

    async def change(self) -> None:
        if not self.binding_ids:
            return
        fields = self.fields()
        paths = ["expires_at", *self.choices.choice(([], ["access_number"], ["a_number"]))]
        binding = binding_pb2.Binding(
            binding_id=self.choices.choice(self.binding_ids),
            tenant_id=TENANT,
            **{each: fields[each] for each in paths},
        )
        request = binding_service_pb2.UpdateBindingRequest(binding=binding, update_mask=FieldMask(paths=paths))
        await self.client.bindings.UpdateBinding(request, timeout=TIMEOUT_SECONDS)

    async def end(self) -> None:
        if self.binding_ids:
            binding_id = self.binding_ids.pop(self.choices.randrange(len(self.binding_ids)))
            request = binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=binding_id)
            await self.client.bindings.DeleteBinding(request, timeout=TIMEOUT_SECONDS)

    async def list_somebody(self) -> None:
        entry = lists_pb2.NumberListEntry(
            tenant_id=TENANT,
            access_number=self.choices.choice(("", X, X2)),
            action=self.choices.choice((lists_pb2.NUMBER_LIST_ACTION_ALLOW, lists_pb2.NUMBER_LIST_ACTION_BLOCK)),
            pattern_type=lists_pb2.NUMBER_PATTERN_TYPE_PREFIX,
            pattern=self.choices.choice(CALLERS)[: self.choices.choice((5, 6, 14))],
            expires_at=self.expiry(),
        )
        request = lists_pb2.CreateNumberListEntryRequest(entry=entry)
        created = await self.client.lists.CreateNumberListEntry(request, timeout=TIMEOUT_SECONDS)
        self.entry_ids.append(created.entry.entry_id)

    async def unlist_somebody(self) -> None:
        if self.entry_ids:
            request = lists_pb2.DeleteNumberListEntryRequest(tenant_id=TENANT, entry_id=self.entry_ids.pop())
            await self.client.lists.DeleteNumberListEntry(request, timeout=TIMEOUT_SECONDS)

    async def set_fallback(self) -> None:
        tenant = tenant_pb2.Tenant(tenant_id=TENANT, fallback_number=self.choices.choice(("", "02566000009")))
        mask = FieldMask(paths=["fallback_number"])
        request = tenant_service_pb2.UpdateTenantRequest(tenant=tenant, update_mask=mask)
        await self.client.tenants.UpdateTenant(request, timeout=TIMEOUT_SECONDS)

    async def pool(self) -> None:
        if self.choices.random() < 0.5:
            add = pools_pb2.AddAccessNumbersRequest(
                tenant_id=TENANT, access_numbers=[pools_pb2.AccessNumber(number=X2)]
            )
            await self.client.pools.AddAccessNumbers(add, timeout=TIMEOUT_SECONDS)
        else:
            take_out = pools_pb2.RemoveAccessNumbersRequest(tenant_id=TENANT, numbers=[X2])
            await self.client.pools.RemoveAccessNumbers(take_out, timeout=TIMEOUT_SECONDS)


def queries() -> Iterator[tuple[str, str, str]]:
    return ((TENANT, caller, access) for caller in (*CALLERS, "withheld") for access in (X, X2))
