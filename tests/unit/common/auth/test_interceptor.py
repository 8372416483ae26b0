"""The interceptor over a real connection: every kind of RPC, every kind of refusal."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from axbridge.events.v1 import event_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.auth.api_keys import ApiKey, generate_api_key
from common.auth.grants import Scope
from common.errors import (
    AxbridgeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from common.grpc_errors import from_rpc_error
from common.limits.rpc_limits import RpcLimits
from common.limits.token_bucket import RateLimit
from tests.unit.common.auth.conftest import SERVICE, Batch, Guarded, Request

OURS, OTHERS = "100001", "100002"
KINDS = ["One", "Many", "ManyWritten", "Collect", "Talk", "TalkWritten"]
SOME = frozenset({OURS})


async def refusal(guarded: Guarded, method: str, request: Any, key: ApiKey | str | None) -> AxbridgeError:
    with pytest.raises(grpc.RpcError) as failure:
        await guarded.ask(method, request, key)
    return from_rpc_error(failure.value)


@pytest.mark.parametrize("method", KINDS)
async def test_every_kind_serves_a_caller_with_the_right(guarded: Guarded, method: str) -> None:
    key = guarded.keys.add(SOME)
    answers = await guarded.stream(method, [Request(tenant_id=OURS)], key)
    assert answers
    assert {answer.call.tenant_id for answer in answers} == {OURS}
    assert set(guarded.handler.callers) == {"billing"}


@pytest.mark.parametrize("method", KINDS)
async def test_every_kind_refuses_everybody_else(guarded: Guarded, method: str) -> None:
    ours = Request(tenant_id=OURS)
    key = guarded.keys.add(SOME)
    expired = guarded.keys.add(SOME, expires_at=guarded.clock.now())
    cases: list[tuple[Any, ApiKey | str | None, type[AxbridgeError], str]] = [
        (ours, None, UnauthenticatedError, "MISSING_CREDENTIAL"),
        (ours, generate_api_key(), UnauthenticatedError, "UNKNOWN_CREDENTIAL"),
        (ours, ApiKey(key.key_id, b"x" * 32), UnauthenticatedError, "UNKNOWN_CREDENTIAL"),
        (ours, expired, UnauthenticatedError, "EXPIRED_CREDENTIAL"),
        (ours, "Basic abc", UnauthenticatedError, "MALFORMED_CREDENTIAL"),
        (ours, "Bearer", UnauthenticatedError, "MALFORMED_CREDENTIAL"),
        (ours, f"Bearer {key.text}x", UnauthenticatedError, "MALFORMED_CREDENTIAL"),
        (Request(tenant_id=OTHERS), key, PermissionDeniedError, "WRONG_TENANT"),
        (Request(tenant_id=""), key, PermissionDeniedError, "WRONG_TENANT"),
        (Request(tenant_id=f" {OURS}"), key, PermissionDeniedError, "WRONG_TENANT"),
        (ours, guarded.keys.add(SOME, frozenset({Scope.WRITE})), PermissionDeniedError, "MISSING_SCOPE"),
        (ours, guarded.keys.add(frozenset({OTHERS})), PermissionDeniedError, "WRONG_TENANT"),
    ]
    for request, presented, kind, reason in cases:
        error = await refusal(guarded, method, request, presented)
        assert (type(error), error.reason) == (kind, reason)
    assert guarded.handler.served == []


async def test_a_method_without_a_rule_is_refused_whoever_asks(guarded: Guarded) -> None:
    key = guarded.keys.add(None)
    error = await refusal(guarded, "Unruled", Request(), key)
    assert error.reason == "NO_RULE"
    with pytest.raises(grpc.RpcError) as failure:
        await guarded.call("Nowhere", key=key)
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]


async def test_two_credentials_in_one_call_are_refused(guarded: Guarded) -> None:
    key = guarded.keys.add(SOME)
    call = guarded.channel.unary_unary("/test.Service/One")
    with pytest.raises(grpc.RpcError) as failure:
        await call(b"", metadata=2 * (("authorization", f"Bearer {key.text}"),), timeout=5)
    assert from_rpc_error(failure.value).reason == "MALFORMED_CREDENTIAL"


async def test_an_rpc_about_all_tenants_takes_a_credential_for_all(guarded: Guarded) -> None:
    assert (await refusal(guarded, "All", Request(), guarded.keys.add(SOME))).reason == "WRONG_TENANT"
    assert await guarded.call("All", "", guarded.keys.add(None))


async def test_a_known_caller_needs_no_tenant(guarded: Guarded) -> None:
    key = guarded.keys.add(SOME, frozenset({Scope.READ}))
    assert await guarded.call("Known", "", key)
    assert isinstance(await refusal(guarded, "Known", Request(), None), UnauthenticatedError)


async def test_each_item_of_a_batch_is_looked_at(guarded: Guarded) -> None:
    key = guarded.keys.add(SOME)
    mixed = Batch(events=[event_pb2.CallEvent(tenant_id=tenant) for tenant in (OURS, OURS, OTHERS)])
    assert (await refusal(guarded, "Items", mixed, key)).reason == "WRONG_TENANT"
    assert (await refusal(guarded, "Items", Batch(), key)).reason == "WRONG_TENANT"
    nameless = Batch(events=[*mixed.events[:1], event_pb2.CallEvent()])
    assert (await refusal(guarded, "Items", nameless, key)).reason == "WRONG_TENANT"
    assert await guarded.send("Items", Batch(events=mixed.events[:2]), key)
    assert [kind for kind, _ in guarded.handler.served] == ["items"]


@pytest.mark.parametrize("method", ["Collect", "Talk", "TalkWritten"])
async def test_each_message_of_a_stream_is_looked_at(guarded: Guarded, method: str) -> None:
    key = guarded.keys.add(SOME)

    async def requests() -> AsyncIterator[Any]:
        for tenant_id in (OURS, "", OTHERS):
            yield Request(tenant_id=tenant_id)
        # A client that is refused while it sends would see an error of its own instead.
        await asyncio.Event().wait()

    with pytest.raises(grpc.RpcError) as failure:
        await guarded.stream(method, requests(), key)
    assert from_rpc_error(failure.value).reason == "WRONG_TENANT"
    # The one without a tenant is let through: the first one said whose data the stream is about.
    assert [tenant for _, tenant in guarded.handler.served] == [OURS, ""]


@pytest.mark.parametrize("method", ["Talk", "TalkWritten"])
@pytest.mark.parametrize("change", ["removed", "expired", "moved"])
async def test_a_withdrawn_credential_ends_an_open_stream(guarded: Guarded, method: str, change: str) -> None:
    key = guarded.keys.add(SOME, expires_at=guarded.clock.now() + timedelta(hours=1))
    turns: asyncio.Queue[bool] = asyncio.Queue()

    async def requests() -> AsyncIterator[Any]:
        while await turns.get():
            yield Request(tenant_id=OURS)

    call = guarded.open_stream(method, requests(), key)
    turns.put_nowait(True)
    assert (await call.read()).call.tenant_id == OURS
    if change == "removed":
        guarded.keys.remove(key)
    elif change == "expired":
        guarded.clock.advance(3600)
    else:
        guarded.keys.add(frozenset({OTHERS}), key=key)
    turns.put_nowait(True)
    with pytest.raises(grpc.RpcError) as failure:
        await call.read()
    expected = {"removed": "UNKNOWN_CREDENTIAL", "expired": "EXPIRED_CREDENTIAL", "moved": "WRONG_TENANT"}
    assert from_rpc_error(failure.value).reason == expected[change]
    assert len(guarded.handler.served) == 1
    turns.put_nowait(False)


async def test_a_changed_file_that_still_knows_the_caller_changes_nothing_for_him(guarded: Guarded) -> None:
    key = guarded.keys.add(SOME)
    turns: asyncio.Queue[bool] = asyncio.Queue()

    async def requests() -> AsyncIterator[Any]:
        while await turns.get():
            yield Request(tenant_id=OURS)

    call = guarded.open_stream("Talk", requests(), key)
    for _ in range(3):
        turns.put_nowait(True)
        assert (await call.read()).call.tenant_id == OURS
        guarded.keys.add(None, caller="somebody else")
    turns.put_nowait(False)


async def test_numbers_are_masked_unless_asked_for(guarded: Guarded) -> None:
    may_not = guarded.keys.add(SOME, frozenset({Scope.READ}))
    may = guarded.keys.add(SOME, frozenset({Scope.READ, Scope.UNMASK}))
    for method in KINDS:
        for key, unmask, number in (
            (may_not, False, "138****1111"),
            (may, False, "138****1111"),
            (may, True, "13800001111"),
        ):
            guarded.audit.entries.clear()
            async for answer in guarded.open_stream(method, [Request(tenant_id=OURS)], key, unmask=unmask):
                assert answer.call.calling_number == number
                assert answer.call.access_number == "02566000001"
            assert len(guarded.audit.entries) == unmask


async def test_whole_numbers_without_the_scope_are_refused_not_masked(guarded: Guarded) -> None:
    key = guarded.keys.add(SOME, frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN}))
    for method in KINDS:
        with pytest.raises(grpc.RpcError) as failure:
            async for _ in guarded.open_stream(method, [Request(tenant_id=OURS)], key, unmask=True):
                pass
        assert from_rpc_error(failure.value).reason == "MISSING_SCOPE"
    assert guarded.audit.entries == [] and guarded.handler.served == []


async def test_who_saw_whole_numbers_is_written_down_before(guarded: Guarded) -> None:
    key = guarded.keys.add(SOME, frozenset({Scope.READ, Scope.UNMASK}), caller="billing")
    requests = [Request(tenant_id=OURS, number="13800001111"), Request(tenant_id=OURS)]
    async for _ in guarded.open_stream("Talk", requests, key, unmask=True):
        pass
    (entry,) = guarded.audit.entries
    assert (entry.caller, entry.tenant_ids, entry.method) == ("billing", (OURS,), f"/{SERVICE}/Talk")
    assert json.loads(entry.document)["request"] == {"tenant_id": OURS, "number": "138****1111"}
    guarded.audit.error = UnavailableError("no database")
    guarded.handler.served.clear()
    with pytest.raises(grpc.RpcError):
        async for _ in guarded.open_stream("One", [Request(tenant_id=OURS)], key, unmask=True):
            pass
    assert guarded.handler.served == [], "what is not written down is not shown"


async def test_without_credentials_too_it_is_written_down(unguarded: Guarded) -> None:
    async for answer in unguarded.open_stream("All", [Request()], None, unmask=True):
        assert answer.call.calling_number == "13800001111"
    (entry,) = unguarded.audit.entries
    assert (entry.caller, entry.tenant_ids) == ("anonymous", ("*",))


async def test_without_credentials_everybody_may_do_what_has_a_rule(unguarded: Guarded) -> None:
    for method in ("One", "Write", "Admin", "All"):
        assert (await unguarded.call(method, OTHERS)).call.calling_number == "13800001111"
    assert (await refusal(unguarded, "Unruled", Request(), None)).reason == "NO_RULE"


async def test_health_is_checked_by_anybody_and_watched_by_those_known(guarded: Guarded) -> None:
    health: Any = health_pb2_grpc.HealthStub(guarded.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=5)).status == 1
    with pytest.raises(grpc.RpcError) as failure:
        async for _ in health.Watch(health_pb2.HealthCheckRequest(), timeout=5):
            pass
    assert isinstance(from_rpc_error(failure.value), UnauthenticatedError)
    key = guarded.keys.add(SOME, frozenset({Scope.READ}))
    watch = health.Watch(
        health_pb2.HealthCheckRequest(), timeout=5, metadata=(("authorization", f"Bearer {key.text}"),)
    )
    assert (await watch.read()).status == 1
    watch.cancel()


class TestLimits:
    @pytest.fixture
    def rpc_limits(self) -> RpcLimits:
        return RpcLimits(RateLimit(1, 3), RateLimit(1, 2), 2)

    async def test_a_tenants_flood_is_its_own(self, guarded: Guarded) -> None:
        ours, others = guarded.keys.add(SOME), guarded.keys.add(frozenset({OTHERS}), caller="other")
        for _ in range(3):
            await guarded.call("One", OURS, ours)
        assert isinstance(await refusal(guarded, "One", Request(tenant_id=OURS), ours), ResourceExhaustedError)
        for _ in range(2):
            await guarded.call("Write", OURS, ours)
        assert isinstance(await refusal(guarded, "Write", Request(tenant_id=OURS), ours), ResourceExhaustedError)
        for _ in range(3):
            await guarded.call("One", OTHERS, others)
        guarded.clock.advance(1)
        await guarded.call("One", OURS, ours)

    async def test_a_refused_call_costs_its_victim_nothing(self, guarded: Guarded) -> None:
        ours, others = guarded.keys.add(SOME), guarded.keys.add(frozenset({OTHERS}))
        for _ in range(20):
            await refusal(guarded, "One", Request(tenant_id=OURS), others)
        for _ in range(3):
            await guarded.call("One", OURS, ours)

    async def test_only_so_many_streams_are_open_at_once(self, guarded: Guarded) -> None:
        ours, others = guarded.keys.add(SOME), guarded.keys.add(frozenset({OTHERS}), caller="other")
        done = asyncio.Event()

        async def requests(tenant_id: str) -> AsyncIterator[Any]:
            yield Request(tenant_id=tenant_id)
            await done.wait()

        calls = [guarded.open_stream("Talk", requests(OURS), ours) for _ in range(2)]
        for call in calls:
            await call.read()
        error = await refusal(guarded, "Talk", Request(tenant_id=OURS), ours)
        assert (type(error), error.reason) == (ResourceExhaustedError, "TOO_MANY_STREAMS")
        assert await guarded.stream("Talk", [Request(tenant_id=OTHERS)], others)
        calls[0].cancel()
        done.set()
        assert await calls[1].read() is grpc.aio.EOF
        # The server hears of the cancelled one in its own time.
        async with asyncio.timeout(5):
            while not await opens(guarded, ours):
                await asyncio.sleep(0)


async def opens(guarded: Guarded, key: ApiKey) -> bool:
    try:
        return bool(await guarded.stream("Talk", [Request(tenant_id=OURS)], key))
    except grpc.RpcError as error:
        assert from_rpc_error(error).reason == "TOO_MANY_STREAMS"
        return False
