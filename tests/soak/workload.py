"""Readers and writers on several replicas at once, each step of theirs judged by the history."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from axbridge.routing.v1 import (
    binding_pb2,
    binding_service_pb2,
    call_profile_pb2,
    decision_pb2,
    routing_service_pb2,
    tenant_pb2,
    tenant_service_pb2,
)
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from common.grpc_channel import open_channel
from common.grpc_errors import from_rpc_error
from tests.soak.history import UNBOUND, Register, Report, as_it_is, seen_by_target

TENANT = "100001"
PAIRS_PER_ACCESS_NUMBER = 3
READ_TIMEOUT_SECONDS = 1.0
WRITE_TIMEOUT_SECONDS = 15.0
_UNKNOWN_OUTCOMES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)
_NO_ROUTE = (
    decision_pb2.ROUTE_RESULT_NO_BINDING,
    decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER,
)


@dataclass
class Slot:
    """One relationship: the number that callers reach on an access number. `callers` may ask for it."""

    register: Register
    kind: "binding_pb2.BindingKind"
    access_number: str
    callers: Sequence[str]
    binding_id: str = ""
    changed_at: float = 0.0


@dataclass
class World:
    """Everything that is written and read. The tenant's own register holds its charge extension."""

    slots: list[Slot]
    tenant: Register = field(default_factory=lambda: Register("tenant"))
    next_number: int = 10_000_000

    def writes_under_way(self) -> int:
        """How many writes are sent and not acknowledged yet."""
        return sum(each.is_being_written for each in (self.tenant, *(slot.register for slot in self.slots)))

    def fresh_number(self) -> str:
        self.next_number += 1
        return f"139{self.next_number:08}"


def make_world(access_numbers: int) -> World:
    """Half of the access numbers have pairs, half an owner whom several strangers call."""
    slots = []
    for number in range(access_numbers):
        access_number = f"025660{number:05}"
        if number % 2:
            strangers = [f"137{number:04}{caller:04}" for caller in range(4)]
            register = Register(f"owner of {number}")
            slots.append(Slot(register, binding_pb2.BINDING_KIND_AX, access_number, strangers))
            continue
        for pair in range(PAIRS_PER_ACCESS_NUMBER):
            register = Register(f"pair {pair} of {number}")
            caller = f"138{number:04}{pair:04}"
            slots.append(Slot(register, binding_pb2.BINDING_KIND_AXB, access_number, [caller]))
    return World(slots)


class Client:
    """The replicas; whoever asks takes any of them."""

    def __init__(self, addresses: Sequence[str], seed: int) -> None:
        self._channels = [open_channel(each) for each in addresses]
        self.random = random.Random(seed)

    def routing(self) -> Any:
        return RoutingServiceStub(self.random.choice(self._channels))

    def bindings(self) -> Any:
        return BindingServiceStub(self.random.choice(self._channels))

    def tenants(self) -> Any:
        return TenantServiceStub(self.random.choice(self._channels))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


async def until_answered(report: Report, what: str, call: Any, *settled: grpc.StatusCode) -> Any:
    """Repeat a write until it is answered for certain: done, or refused with a code that says that it is done."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() in settled:
                return error
            if error.code() not in _UNKNOWN_OUTCOMES:
                raise
            report.failures[f"{what} {error.code().name}"] += 1
            await asyncio.sleep(0.05)


async def add_tenant(client: Client, world: World, report: Report) -> None:
    tenant = tenant_pb2.Tenant(tenant_id=TENANT)
    request = tenant_service_pb2.CreateTenantRequest(tenant=tenant)
    await until_answered(report, "tenant", lambda: client.tenants().CreateTenant(request, timeout=10))


async def write_slot(client: Client, world: World, slot: Slot, report: Report) -> None:
    """Bind, rebind or unbind once."""
    bindings = client.bindings
    if slot.register.current == UNBOUND:
        target = world.fresh_number()
        slot.register.begin(target)
        pair = slot.kind == binding_pb2.BINDING_KIND_AXB
        binding = binding_pb2.Binding(
            tenant_id=TENANT,
            kind=slot.kind,
            access_number=slot.access_number,
            a_number=slot.callers[0] if pair else target,
            b_number=target if pair else "",
        )
        create = binding_service_pb2.CreateBindingRequest(binding=binding)
        done = await until_answered(
            report,
            "create",
            lambda: bindings().CreateBinding(create, timeout=WRITE_TIMEOUT_SECONDS),
            grpc.StatusCode.ALREADY_EXISTS,
        )
        slot.binding_id = _id_in_the_way(done) if isinstance(done, Exception) else done.binding.binding_id
        report.writes["bound"] += 1
    elif client.random.random() < 0.4:
        target = world.fresh_number()
        slot.register.begin(target)
        field_name = "b_number" if slot.kind == binding_pb2.BINDING_KIND_AXB else "a_number"
        changed = binding_pb2.Binding(tenant_id=TENANT, binding_id=slot.binding_id, **{field_name: target})  # type: ignore[arg-type]
        update = binding_service_pb2.UpdateBindingRequest(binding=changed)
        update.update_mask.paths.append(field_name)
        await until_answered(report, "update", lambda: bindings().UpdateBinding(update, timeout=WRITE_TIMEOUT_SECONDS))
        report.writes["rebound"] += 1
    else:
        slot.register.begin(UNBOUND)
        delete = binding_service_pb2.DeleteBindingRequest(tenant_id=TENANT, binding_id=slot.binding_id)
        await until_answered(
            report,
            "delete",
            lambda: bindings().DeleteBinding(delete, timeout=WRITE_TIMEOUT_SECONDS),
            grpc.StatusCode.NOT_FOUND,
        )
        report.writes["unbound"] += 1
    slot.register.acknowledge()
    slot.changed_at = time.monotonic()


def _id_in_the_way(error: Any) -> str:
    """What a repeated create is told when its first attempt was carried out."""
    return from_rpc_error(error).metadata["binding_id"]


async def write_tenant(client: Client, world: World, report: Report) -> None:
    """Change the tenant's charge extension."""
    charge_ext = str(world.next_number)
    world.next_number += 1
    world.tenant.begin(charge_ext)
    profile = call_profile_pb2.CallProfile(charge_ext=charge_ext)
    update = tenant_service_pb2.UpdateTenantRequest(tenant=tenant_pb2.Tenant(tenant_id=TENANT, default_profile=profile))
    update.update_mask.paths.append("default_profile.charge_ext")
    await until_answered(report, "tenant", lambda: client.tenants().UpdateTenant(update, timeout=WRITE_TIMEOUT_SECONDS))
    world.tenant.acknowledge()
    report.writes["tenant changed"] += 1


async def read_batch(client: Client, world: World, report: Report, size: int) -> None:
    """Ask once for many relationships, and judge each answer."""
    slots = [client.random.choice(world.slots) for _ in range(size)]
    callers = [_caller(slot, client.random) for slot in slots]
    queries = [
        routing_service_pb2.ResolveQuery(
            tenant_id=TENANT, session_id="s", calling_number=caller, access_number=slot.access_number
        )
        for slot, caller in zip(slots, callers, strict=True)
    ]
    stub = client.routing()
    started = time.monotonic()
    before = [slot.register.acknowledged for slot in slots]
    tenant_before = world.tenant.acknowledged
    try:
        response = await stub.ResolveBatch(
            routing_service_pb2.ResolveBatchRequest(queries=queries), timeout=READ_TIMEOUT_SECONDS
        )
    except grpc.aio.AioRpcError as error:
        report.failures[f"call {error.code().name}"] += 1
        await asyncio.sleep(0.01)
        return
    report.batch_seconds.append(time.monotonic() - started)
    for slot, caller, acknowledged, decision in zip(slots, callers, before, response.decisions, strict=True):
        _judge(_Read(slot, caller, acknowledged, tenant_before, started), world.tenant, decision, report)


def _caller(slot: Slot, rng: random.Random) -> str:
    """Who asks: one of the slot's callers, or of a pair the number at its other end, now or a moment ago."""
    targets = [str(each) for each in slot.register.latest if each != UNBOUND]
    if slot.kind == binding_pb2.BINDING_KIND_AXB and targets and rng.random() < 0.3:
        return rng.choice(targets)
    return rng.choice(slot.callers)


@dataclass(frozen=True)
class _Read:
    """What was asked, and what was acknowledged when it was."""

    slot: Slot
    caller: str
    acknowledged: int
    tenant_before: int
    started: float


def _judge(read: _Read, tenant: Register, decision: Any, report: Report) -> None:
    slot, acknowledged = read.slot, read.acknowledged
    if decision.result == decision_pb2.ROUTE_RESULT_ROUTED:
        seen = decision.members[0].number
    elif decision.result in _NO_ROUTE:
        seen = UNBOUND
    else:
        report.failures[f"answer {decision_pb2.RouteResult.Name(decision.result)}"] += 1
        return
    report.reads += 1
    report.sources[decision_pb2.DecisionSource.Name(decision.decision_source)] += 1
    if slot.register.was_unbound(acknowledged):
        report.reads_after_unbind += 1
        report.reads_soon_after_unbind += read.started - slot.changed_at < 1.0
    view = as_it_is if read.caller in slot.callers else seen_by_target(read.caller, slot.callers[0])
    if not slot.register.allows(seen, acknowledged, view):
        report.stale.append(slot.register.describe(seen, acknowledged, view))
    if not tenant.allows(decision.attributes.charge_ext, read.tenant_before):
        report.stale.append(tenant.describe(decision.attributes.charge_ext, read.tenant_before))
