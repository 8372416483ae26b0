"""The tenant directory: fresh, shared lookups, short memory of what does not exist."""

import asyncio

import pytest

from common.errors import DeadlineExceededError, UnavailableError
from gateway.domain import TenantSettings
from gateway.tenants import DirectoryLimits, TenantDirectory
from tests.unit.gateway.fakes import FakeClock, FakeTenants, StepwiseSleep, settle

ONE, TWO = TenantSettings("1", default_region="CN"), TenantSettings("2")


def directory(source: FakeTenants, clock: FakeClock | None = None, **limits: float) -> TenantDirectory:
    return TenantDirectory(source, DirectoryLimits(**limits), clock or FakeClock(), StepwiseSleep())  # type: ignore[arg-type]


async def test_a_refresh_replaces_what_is_known() -> None:
    source = FakeTenants(ONE, TWO)
    tenants = directory(source)
    assert tenants.known("1") is None
    await tenants.refresh()
    assert (tenants.known("1"), tenants.known("2")) == (ONE, TWO)
    source.tenants = {"1": TenantSettings("1", charge_ext="new")}
    await tenants.refresh()
    assert tenants.known("1") == TenantSettings("1", charge_ext="new")
    assert tenants.known("2") is None
    assert source.asked == []


async def test_a_failed_refresh_keeps_what_is_known() -> None:
    source = FakeTenants(ONE)
    tenants = directory(source)
    await tenants.refresh()
    source.error = UnavailableError("down")
    with pytest.raises(UnavailableError):
        await tenants.refresh()
    assert await tenants.find("1", 1.0) == ONE


async def test_it_refreshes_for_ever_whatever_happens() -> None:
    source, sleep = FakeTenants(ONE), StepwiseSleep()
    tenants = TenantDirectory(source, DirectoryLimits(refresh_seconds=7), FakeClock(), sleep)
    refreshing = asyncio.create_task(tenants.keep_fresh())
    await settle(lambda: sleep.asked == [7])
    assert tenants.is_reachable
    source.error = UnavailableError("down")
    sleep.wake()
    await settle(lambda: source.listed == 2)
    assert not tenants.is_reachable
    assert tenants.known("1") == ONE
    source.error = None
    sleep.wake()
    await settle(lambda: source.listed == 3)
    assert tenants.is_reachable
    refreshing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await refreshing


async def test_a_new_tenant_is_found_at_once_and_remembered() -> None:
    source = FakeTenants(ONE)
    tenants = directory(source)
    assert await tenants.find("1", 1.0) == ONE
    assert await tenants.find("1", 1.0) == ONE
    assert source.asked == ["1"]


async def test_those_who_ask_together_share_one_lookup_that_none_can_cancel() -> None:
    source = FakeTenants(ONE)
    source.gate.clear()
    tenants = directory(source)
    first, second = (asyncio.create_task(tenants.find("1", 30)) for _ in range(2))
    await settle(lambda: source.asked == ["1"])
    first.cancel()
    await settle()
    source.gate.set()
    assert await second == ONE
    assert source.asked == ["1"]


async def test_what_does_not_exist_is_remembered_for_a_moment() -> None:
    source, clock = FakeTenants(), FakeClock()
    tenants = directory(source, clock, unknown_ttl_seconds=1.0)
    assert await tenants.find("9", 1.0) is None
    assert await tenants.find("9", 1.0) is None
    assert source.asked == ["9"]
    source.tenants["9"] = TenantSettings("9")
    clock.seconds += 1.0
    assert await tenants.find("9", 1.0) == TenantSettings("9")


async def test_a_refresh_ends_the_memory_of_what_does_not_exist() -> None:
    source = FakeTenants()
    tenants = directory(source)
    assert await tenants.find("9", 1.0) is None
    source.tenants["9"] = TenantSettings("9")
    await tenants.refresh()
    assert await tenants.find("9", 1.0) == TenantSettings("9")


async def test_the_memory_of_what_does_not_exist_is_bounded() -> None:
    source = FakeTenants()
    tenants = directory(source, max_unknown=3)
    for number in range(4):
        assert await tenants.find(f"x{number}", 1.0) is None
    await tenants.find("x3", 1.0)
    await tenants.find("x0", 1.0)
    assert source.asked == ["x0", "x1", "x2", "x3", "x0"]


async def test_failures_are_told_and_not_remembered() -> None:
    source = FakeTenants(ONE)
    source.error = UnavailableError("down")
    tenants = directory(source)
    with pytest.raises(UnavailableError):
        await tenants.find("1", 1.0)
    source.error = None
    assert await tenants.find("1", 1.0) == ONE


async def test_a_lookup_that_takes_too_long() -> None:
    source = FakeTenants(ONE)
    source.gate.clear()
    tenants = directory(source)
    with pytest.raises(DeadlineExceededError):
        await tenants.find("1", 0.01)
    source.gate.set()
    await settle(lambda: tenants.known("1") is not None)


async def test_lookups_at_the_same_time_are_bounded() -> None:
    source = FakeTenants()
    source.gate.clear()
    tenants = directory(source, max_lookups=2)
    lookups = [asyncio.create_task(tenants.find(f"x{number}", 30)) for number in range(5)]
    await settle()
    assert source.asked == ["x0", "x1"]
    source.gate.set()
    assert await asyncio.gather(*lookups) == [None] * 5


async def test_close_ends_lookups() -> None:
    source = FakeTenants()
    source.gate.clear()
    tenants = directory(source)
    lookup = asyncio.create_task(tenants.find("1", 30))
    await settle(lambda: source.asked == ["1"])
    await tenants.close()
    with pytest.raises(asyncio.CancelledError):
        await lookup
