"""How long an access number rests: for those who used it, for a third one, and when it changes hands."""

from dataclasses import replace
from datetime import timedelta

import pytest

from common.errors import ResourceExhaustedError
from routing_service.domain.number_pool import PreviousNumberPolicy
from tests.contract.routing_store.test_bindings import create
from tests.contract.routing_store.test_pools import COOL_DOWN, PLAIN, X1, X2, Pool
from tests.support.routing_memory.stores import Stores
from tests.unit.routing_service.builders import NOW, OTHER_TENANT, TENANT, A, B, C, D, ax, axb, stored


@pytest.fixture
def pool(stores: Stores) -> Pool:
    return Pool(stores)


async def test_a_number_that_a_third_one_knows_too_is_not_the_pairs_own(pool: Pool) -> None:
    await pool.add(X1)
    await pool.end(await pool.allocate(axb(A, B, "")))
    await pool.end(await pool.bindings.create(TENANT, lambda _: stored(axb(A, C, X1), "named")))
    with pytest.raises(ResourceExhaustedError) as raised:
        await pool.allocate(axb(A, B, ""), previous_number_policy=PreviousNumberPolicy.STICKY)
    assert raised.value.metadata["resting"] == "1"
    pool.clock.advance(COOL_DOWN)
    assert (await pool.allocate(axb(A, B, ""))).terms.access_number == X1


async def test_what_another_tenant_had_was_not_the_pairs_and_rests_for_everybody(pool: Pool) -> None:
    await pool.add(X1)
    await pool.end(await pool.allocate(axb(A, B, "")))
    ended = pool.clock.now()
    pool.clock.advance(timedelta(minutes=1))
    await pool.service.remove(TENANT, [X1])
    await pool.add(X1, tenant_id=OTHER_TENANT)
    # No wish of this tenant shortens it: the late callers are the other one's.
    sticky = replace(PLAIN, previous_number_policy=PreviousNumberPolicy.STICKY, cool_down=timedelta(0))
    avoid = replace(PLAIN, previous_number_policy=PreviousNumberPolicy.AVOID)
    for terms, wish in ((axb(A, B, ""), sticky), (axb(C, D, ""), sticky), (ax(C, ""), PLAIN)):
        with pytest.raises(ResourceExhaustedError) as raised:
            await pool.service.allocate(OTHER_TENANT, terms, wish)
        assert raised.value.metadata["resting"] == "1" and raised.value.metadata["kept"] == "0"
        assert TENANT not in str(raised.value)
    page = await pool.service.list_page(OTHER_TENANT, "", "", 0, "")
    assert [each.last_released_at for each in page.access_numbers] == [None], "that is about its own bindings"

    # From the end of the binding on, and not from when the number changed hands.
    pool.clock.current = ended + COOL_DOWN - timedelta(microseconds=1)
    with pytest.raises(ResourceExhaustedError):
        await pool.service.allocate(OTHER_TENANT, axb(A, B, ""), avoid)
    pool.clock.current = ended + COOL_DOWN
    with pytest.raises(ResourceExhaustedError):
        await pool.service.allocate(OTHER_TENANT, axb(A, B, ""), replace(avoid, cool_down=2 * COOL_DOWN))
    made = await pool.service.allocate(OTHER_TENANT, axb(A, B, ""), avoid)
    assert (made.tenant_id, made.terms.access_number) == (OTHER_TENANT, X1)
    assert (await pool.service.forecast(OTHER_TENANT, "", None)).needed == 1
    assert (await pool.service.forecast(TENANT, "", None)).needed == 0


async def test_what_expired_with_another_tenant_rests_from_then_on(stores: Stores, pool: Pool) -> None:
    # Bound without a pool, some deleted, one after it had expired, and the last of them never.
    expiries = [NOW + timedelta(minutes=place) for place in (1, 3, 2)]
    for place, expires_at in enumerate(expiries):
        terms = axb(f"+861380000000{place}", f"+861390000000{place}", X1, expires_at=expires_at)
        await create(stores, terms, f"m{place}")
    pool.clock.current = NOW + timedelta(minutes=5)
    await pool.bindings.delete(TENANT, "m0", lambda _: None, pool.clock.now())
    await pool.add(X1, X2, tenant_id=OTHER_TENANT)
    await pool.bindings.delete(TENANT, "m2", lambda _: None, pool.clock.now())

    owned = await pool.service.allocate(OTHER_TENANT, ax(A, ""), PLAIN)
    assert owned.terms.access_number == X2, "nobody ever had it"
    pool.clock.current = max(expiries) + COOL_DOWN - timedelta(microseconds=1)
    with pytest.raises(ResourceExhaustedError):
        await pool.service.allocate(OTHER_TENANT, axb(A, B, ""), PLAIN)
    pool.clock.advance(timedelta(microseconds=1))
    assert (await pool.service.allocate(OTHER_TENANT, axb(A, B, ""), PLAIN)).terms.access_number == X1


async def test_a_number_that_comes_back_rests_from_what_the_others_did_there(pool: Pool) -> None:
    await pool.add(X1)
    await pool.end(await pool.allocate(axb(A, B, "")))
    # To another pool of the same tenant: for others than A and B it does not rest.
    await pool.service.remove(TENANT, [X1])
    await pool.add(X1, pool="other")
    await pool.end(await pool.allocate(axb(C, D, ""), pool="other"))
    pool.clock.advance(COOL_DOWN)
    for owner in (OTHER_TENANT, TENANT):
        await pool.service.remove(TENANT if owner == OTHER_TENANT else OTHER_TENANT, [X1])
        await pool.add(X1, tenant_id=owner)
        made = await pool.service.allocate(owner, axb(A, B, ""), PLAIN) if owner == OTHER_TENANT else None
        if made is not None:
            pool.clock.advance(timedelta(minutes=1))
            await pool.bindings.delete(owner, made.binding_id, lambda _: None, pool.clock.now())
    with pytest.raises(ResourceExhaustedError):
        await pool.allocate(axb(C, D, ""))
    pool.clock.advance(COOL_DOWN)
    assert (await pool.allocate(axb(C, D, ""))).terms.access_number == X1


async def test_it_rests_although_the_tenant_that_had_it_is_gone(stores: Stores, pool: Pool) -> None:
    await pool.add(X1)
    await pool.end(await pool.allocate(axb(A, B, "")))
    await pool.service.remove(TENANT, [X1])
    await stores.tenants.delete(TENANT)
    await pool.add(X1, tenant_id=OTHER_TENANT)
    with pytest.raises(ResourceExhaustedError):
        await pool.service.allocate(OTHER_TENANT, axb(A, B, ""), PLAIN)
