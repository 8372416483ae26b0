"""What is remembered of earlier calls: by this process at once, by the others through the store."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.errors import AbortedError, UnavailableError
from common.protocol_codes import ResultCode
from routing_service.call_memory import FLUSH_SECONDS, MOST_NOTED, CallMemory
from routing_service.domain.binding import BindingTerms, HuntStrategy
from routing_service.domain.call_memory import ORDER_LIFE, GroupCall, OwnerCall, WantedRecollection
from routing_service.domain.decision import NOTHING_RECALLED, Recollection
from routing_service.service.routing import IncomingQuery, RoutingService
from tests.support.routing_memory.stores import memory_stores
from tests.support.routing_memory.tables import MemoryDatabase
from tests.unit.routing_service.builders import MINUTE, NOW, TENANT, A, B, C, D, FakeClock, X, ax, axg, stored, tenant

WANTED = WantedRecollection(TENANT, "b1", "s1", X, members=(A, B))
OWNED = WantedRecollection(TENANT, "b1", "s1", X, owner_number=A)
IDLE = axg([A, B, C], hunt_strategy=HuntStrategy.LONGEST_IDLE)


@dataclass
class FakeStore:
    """A store that can be broken, and remembers what it was given."""

    known: dict[WantedRecollection, Recollection] = field(default_factory=dict)
    writes: list[Sequence[GroupCall | OwnerCall]] = field(default_factory=list)
    gone: frozenset[str] = frozenset()
    unavailable: bool = False
    hang: asyncio.Event | None = None

    async def recall(
        self, wanted: Collection[WantedRecollection], now: datetime
    ) -> Mapping[WantedRecollection, Recollection]:
        if self.unavailable:
            raise UnavailableError("no")
        if self.hang is not None:
            await self.hang.wait()
        return {each: self.known[each] for each in wanted if each in self.known}

    async def store(self, groups: Sequence[GroupCall], owners: Sequence[OwnerCall], now: datetime) -> None:
        if self.unavailable:
            raise UnavailableError("no")
        calls: list[GroupCall | OwnerCall] = [*groups, *owners]
        if any(each.binding_id in self.gone for each in calls):
            raise AbortedError("gone")
        self.writes.append(calls)


def group_call(session: str = "s1", order: tuple[str, ...] = (A, B), binding_id: str = "b1") -> GroupCall:
    return GroupCall(TENANT, binding_id, session, order)


def owner_call(caller: str = C, owner: str = A, binding_id: str = "b1", x: str = X) -> OwnerCall:
    return OwnerCall(TENANT, binding_id, x, owner, caller)


async def test_what_is_noted_is_known_at_once() -> None:
    memory = CallMemory(FakeStore(), FakeClock())
    memory.note(group_call())
    memory.note(group_call("s2", (B, A)))
    memory.note(owner_call())
    latest = memory.latest(WANTED, NOTHING_RECALLED)

    assert latest.order == (A, B)
    assert latest.last_routed_at_us[A] < latest.last_routed_at_us[B], "also in the same microsecond"
    assert memory.latest(OWNED, NOTHING_RECALLED).last_caller == C


async def test_an_order_is_forgotten_after_its_time() -> None:
    clock = FakeClock()
    memory = CallMemory(FakeStore(), clock)
    memory.note(group_call())
    clock.advance(ORDER_LIFE - timedelta(seconds=1))
    assert memory.latest(WANTED, NOTHING_RECALLED).order == (A, B)
    clock.advance(timedelta(seconds=1))
    assert memory.latest(WANTED, NOTHING_RECALLED).order == ()


async def test_the_later_of_here_and_the_store_counts() -> None:
    store = FakeStore()
    memory = CallMemory(store, FakeClock())
    memory.note(owner_call(C))
    memory.note(group_call())
    later = Recollection(last_routed_at_us={A: 2**60}, last_caller=D, last_called_at_us=2**60)

    assert memory.latest(OWNED, later).last_caller == D
    assert memory.latest(WANTED, later).last_routed_at_us[A] == 2**60
    earlier = Recollection(last_routed_at_us={A: 1}, last_caller=D, last_called_at_us=1)
    assert memory.latest(OWNED, earlier).last_caller == C
    assert memory.latest(WANTED, earlier).last_routed_at_us[A] > 1


async def test_another_owner_or_access_number_has_other_callers() -> None:
    memory = CallMemory(FakeStore(), FakeClock())
    memory.note(owner_call(C, owner=B))
    memory.note(owner_call(C, x="+862566000002"))
    memory.note(owner_call(C, binding_id="b2"))

    assert memory.latest(OWNED, NOTHING_RECALLED).last_caller == ""


async def test_calls_are_stored_together_and_later() -> None:
    store = FakeStore()
    memory = CallMemory(store, FakeClock())
    slept: list[float] = []
    may_go_on = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await may_go_on.wait()

    running = asyncio.create_task(memory.run(sleep))
    memory.note(group_call())
    memory.note(owner_call())
    while not slept:
        await asyncio.sleep(0)
    assert (slept, store.writes) == ([FLUSH_SECONDS], [])
    may_go_on.set()
    while memory.stats.stored < 2:
        await asyncio.sleep(0)
    running.cancel()

    (write,) = store.writes
    assert [type(each) for each in write] == [GroupCall, OwnerCall]
    assert all(each.at_us for each in write)


async def test_what_can_not_be_stored_is_dropped_and_counted() -> None:
    store = FakeStore(unavailable=True)
    memory = CallMemory(store, FakeClock())
    for place in range(MOST_NOTED + 5):
        memory.note(group_call(f"s{place}"))
    assert memory.stats.dropped == 5
    await memory.flush()

    assert memory.stats.dropped == MOST_NOTED + 5
    assert memory.stats.stored == 0


async def test_a_binding_that_is_gone_takes_only_its_own_calls_along() -> None:
    store = FakeStore(gone=frozenset({"gone"}))
    memory = CallMemory(store, FakeClock())
    for binding_id in ("b1", "gone", "b2"):
        memory.note(owner_call(binding_id=binding_id))
    await memory.flush()

    assert [each.binding_id for write in store.writes for each in write] == ["b1", "b2"]
    assert (memory.stats.stored, memory.stats.dropped) == (2, 1)


async def serving(store: FakeStore, *terms: BindingTerms) -> tuple[RoutingService, CallMemory, FakeClock]:
    clock = FakeClock()
    stores = memory_stores(MemoryDatabase(), clock)
    await stores.tenants.create(tenant())
    for binding in (stored(each, f"b{place}") for place, each in enumerate(terms)):
        await stores.bindings.create(TENANT, lambda _, made=binding: made)  # type: ignore[misc]
    memory = CallMemory(store, clock)
    return RoutingService(stores.source, stores.history, clock, memory=memory), memory, clock


async def called(service: RoutingService, caller: str, *sessions: str) -> list[list[str]]:
    queries = [IncomingQuery(TENANT, session, caller, X) for session in sessions]
    return [[each.number for each in answer.members] for answer in await service.resolve_batch(queries, None)]


async def test_a_batch_goes_round_the_idle_members_and_a_resent_query_gets_the_same() -> None:
    service, memory, _ = await serving(FakeStore(), IDLE)
    answers = await called(service, D, "s1", "s2", "s3", "s4", "s1", "s2")
    first = [each[0] for each in answers]

    assert len(set(first[:3])) == 3, "each member once before any twice"
    assert first[3] == first[0]
    assert answers[4:] == answers[:2]
    assert memory.stats.noted == 4, "what is sent again is the same call"
    assert (await called(service, D, "s3")) == answers[2:3]


async def test_a_group_is_called_also_when_nothing_can_be_recalled() -> None:
    for store in (FakeStore(unavailable=True), FakeStore(hang=asyncio.Event())):
        service, _, _ = await serving(store, IDLE)
        (answer,) = await called(service, D, "s1")
        assert len(answer) == 3


async def test_the_owner_calls_back_who_called_last() -> None:
    store = FakeStore()
    service, _, _ = await serving(store, ax(A, callback_to_last_caller=True))

    assert await called(service, A, "s1") == [[]]
    await called(service, C, "s2")
    await called(service, D, "s3")
    await called(service, "anonymous", "s4")
    assert await called(service, A, "s5") == [["13600001111"]]
    store.unavailable = True
    (answer,) = await service.resolve_batch([IncomingQuery(TENANT, "s6", A, X)], None)
    assert answer.result is ResultCode.UNAVAILABLE
    assert await called(service, C, "s7") == [["13800001111"]]


async def test_explaining_leaves_no_trace() -> None:
    service, memory, clock = await serving(FakeStore(), IDLE)
    query = IncomingQuery(TENANT, "s1", D, X)
    explained = await service.explain(query, None)
    assert memory.stats.noted == 0
    assert (await called(service, D, "s1")) == [[each.number for each in explained.answer.members]]
    clock.advance(MINUTE)
    assert clock.now() > NOW
