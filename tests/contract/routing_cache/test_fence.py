"""What is remembered, and when it counts no more."""

import asyncio
from datetime import timedelta

import pytest

from common.clock import to_microseconds
from routing_service.cache.ports import CacheAnswer, CacheEntry, CacheKey, Lease
from routing_service.cache.redis_cache import RedisCache
from routing_service.domain.scope import CacheScope
from tests.contract.routing_cache.conftest import TTL_SECONDS, Opened
from tests.unit.routing_service.builders import OTHER_TENANT, TENANT, X2, A, B, FakeClock, X

SCOPE = CacheScope(TENANT, X)
WHOLE_TENANT = CacheScope(TENANT)
KEY, OTHER_CALLER = CacheKey(SCOPE, A), CacheKey(SCOPE, B)
TENANT_KEY = CacheKey(WHOLE_TENANT)
OTHER_ACCESS_NUMBER = CacheKey(CacheScope(TENANT, X2), A)
ANOTHERS = CacheKey(CacheScope(OTHER_TENANT, X), A)
EVERY_KEY = (KEY, OTHER_CALLER, TENANT_KEY, OTHER_ACCESS_NUMBER, ANOTHERS)


async def ask(cache: RedisCache, key: CacheKey) -> CacheAnswer:
    (answer,) = await cache.look_up([key])
    return answer


async def lease_of(cache: RedisCache, key: CacheKey) -> Lease:
    lease = (await ask(cache, key)).lease
    assert lease is not None
    return lease


def entry(key: CacheKey, lease: Lease, document: bytes = b"{}", ttl_seconds: float = TTL_SECONDS) -> CacheEntry:
    return CacheEntry(key, document, lease, lease.taken_at_us + int(ttl_seconds * 1_000_000))


async def fill(cache: RedisCache, *keys: CacheKey) -> None:
    """Remember each key's own name."""
    answers = await cache.look_up(keys)
    entries = []
    for key, answer in zip(keys, answers, strict=True):
        assert answer.lease is not None
        entries.append(entry(key, answer.lease, repr(key).encode()))
    await cache.fill(entries)


async def known(cache: RedisCache, *keys: CacheKey) -> list[CacheKey]:
    """The keys that are remembered, each with its own document."""
    found = []
    for key, answer in zip(keys, await cache.look_up(keys), strict=True):
        if answer.document is not None:
            assert answer.document == repr(key).encode()
            found.append(key)
    return found


async def test_what_is_filled_is_found_by_every_replica(replica: Opened, other: Opened) -> None:
    assert await known(replica.cache, *EVERY_KEY) == []
    await fill(replica.cache, *EVERY_KEY)

    assert await known(other.cache, *EVERY_KEY) == list(EVERY_KEY)
    assert await known(replica.cache, *reversed(EVERY_KEY)) == list(reversed(EVERY_KEY))
    assert (other.stats.hits, replica.stats.misses) == (5, 10)


async def test_nothing_asked_is_nothing_answered(replica: Opened) -> None:
    assert list(await replica.cache.look_up([])) == []


async def test_a_finished_write_voids_every_caller_of_its_access_number_and_no_other(
    replica: Opened, other: Opened
) -> None:
    await fill(replica.cache, *EVERY_KEY)
    assert await other.cache.mark([SCOPE], "w1")
    assert await other.cache.lift([SCOPE], "w1")

    assert await known(replica.cache, *EVERY_KEY) == [TENANT_KEY, OTHER_ACCESS_NUMBER, ANOTHERS]


async def test_a_write_to_the_tenant_voids_everything_of_the_tenant(replica: Opened, other: Opened) -> None:
    await fill(replica.cache, *EVERY_KEY)
    assert await other.cache.mark([WHOLE_TENANT], "w1")
    assert await known(replica.cache, *EVERY_KEY) == [ANOTHERS]
    assert await other.cache.lift([WHOLE_TENANT], "w1")

    assert await known(replica.cache, *EVERY_KEY) == [ANOTHERS]


async def test_a_write_that_was_never_marked_voids_too(replica: Opened, other: Opened) -> None:
    await fill(replica.cache, KEY)
    assert await other.cache.lift([SCOPE], "w1")

    assert await known(replica.cache, KEY) == []


async def test_a_lease_from_before_a_write_fills_nothing(replica: Opened, other: Opened) -> None:
    lease = await lease_of(replica.cache, KEY)
    assert await other.cache.lift([SCOPE], "w1")
    await replica.cache.fill([entry(KEY, lease, b"old")])
    assert (await ask(replica.cache, KEY)).document is None

    fresh = await lease_of(other.cache, KEY)
    await other.cache.fill([entry(KEY, fresh, b"new")])
    assert (await ask(replica.cache, KEY)).document == b"new"
    # The reader that was held up the longest comes last.
    await replica.cache.fill([entry(KEY, lease, b"old")])
    assert (await ask(replica.cache, KEY)).document is None


async def test_while_a_write_goes_on_nothing_is_answered_leased_or_filled(replica: Opened, other: Opened) -> None:
    lease = await lease_of(replica.cache, KEY)
    await fill(replica.cache, OTHER_CALLER)
    assert await other.cache.mark([SCOPE], "w1")
    await replica.cache.fill([entry(KEY, lease)])
    for key in (KEY, OTHER_CALLER):
        assert await ask(replica.cache, key) == CacheAnswer(None, None)
    assert replica.stats.fenced == 2


async def test_the_mark_of_another_write_stays(replica: Opened, other: Opened) -> None:
    assert await replica.cache.mark([SCOPE], "first")
    assert await other.cache.mark([SCOPE], "second")
    assert await replica.cache.lift([SCOPE], "first")
    assert await ask(replica.cache, KEY) == CacheAnswer(None, None)

    assert await other.cache.lift([SCOPE], "second")
    await fill(replica.cache, KEY)
    assert await known(other.cache, KEY) == [KEY]


async def test_lifting_again_voids_again(replica: Opened) -> None:
    assert await replica.cache.lift([SCOPE], "w1")
    await fill(replica.cache, KEY)
    assert await replica.cache.lift([SCOPE], "w1")

    assert await known(replica.cache, KEY) == []


async def test_readers_who_begin_together_share_one_epoch(replica: Opened, other: Opened) -> None:
    leases = await asyncio.gather(*(lease_of(each.cache, KEY) for each in (replica, other) for _ in range(5)))

    assert len({each.epoch for each in leases}) == 1
    await replica.cache.fill([entry(KEY, leases[-1], b"x")])
    await other.cache.fill([entry(OTHER_CALLER, leases[0], b"y")])
    answers = await replica.cache.look_up([KEY, OTHER_CALLER])
    assert [each.document for each in answers] == [b"x", b"y"]


@pytest.mark.parametrize(("seconds", "counts"), [(0, True), (4.9, True), (5, False), (60, False)])
async def test_age_is_judged_by_our_own_clock(replica: Opened, clock: FakeClock, seconds: float, counts: bool) -> None:
    await fill(replica.cache, KEY)
    clock.advance(timedelta(seconds=seconds))

    assert await known(replica.cache, KEY) == ([KEY] if counts else [])
    assert replica.stats.expired == (0 if counts else 1)


async def test_what_comes_from_the_future_does_not_count(replica: Opened, clock: FakeClock) -> None:
    await fill(replica.cache, KEY)
    clock.advance(-timedelta(seconds=1))

    assert await known(replica.cache, KEY) == []
    assert replica.stats.from_the_future == 1


async def test_a_load_that_took_too_long_is_not_remembered(replica: Opened, clock: FakeClock) -> None:
    lease = await lease_of(replica.cache, KEY)
    clock.advance(timedelta(seconds=TTL_SECONDS))
    await replica.cache.fill([entry(KEY, lease)])

    assert replica.stats.fills == 0
    assert await known(replica.cache, KEY) == []


async def test_any_bytes_come_back_as_they_were(replica: Opened) -> None:
    document = bytes(range(256)) * 300
    await replica.cache.fill([entry(KEY, await lease_of(replica.cache, KEY), document)])

    assert (await ask(replica.cache, KEY)).document == document


async def test_many_keys_at_once(replica: Opened, clock: FakeClock) -> None:
    keys = [CacheKey(CacheScope(TENANT, f"+86256600{number:04}"), A) for number in range(300)]
    await fill(replica.cache, *keys)
    assert await known(replica.cache, *keys) == keys
    scopes = [each.scope for each in keys[::2]]
    assert await replica.cache.mark(scopes, "w1")
    assert await replica.cache.lift(scopes, "w1")

    assert await known(replica.cache, *keys) == keys[1::2]
    assert to_microseconds(clock.now()) > 0


async def test_more_at_a_time_than_there_are_connections_wait_for_their_turn(replica: Opened) -> None:
    keys = [CacheKey(CacheScope(TENANT, f"+86256600{number:04}"), A) for number in range(40)]
    leases = await asyncio.gather(*(lease_of(replica.cache, key) for key in keys))
    await asyncio.gather(*(replica.cache.fill([entry(key, lease)]) for key, lease in zip(keys, leases, strict=True)))
    assert await asyncio.gather(*(replica.cache.mark([key.scope], "w1") for key in keys)) == [True] * 40
    assert await asyncio.gather(*(replica.cache.lift([key.scope], "w1") for key in keys)) == [True] * 40

    assert replica.stats.fills == 40
    assert (replica.stats.unreachable, replica.stats.bypassed) == (0, 0)
