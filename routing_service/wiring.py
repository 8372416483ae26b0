"""The stores of a routing service as its settings want them: which database, with or without a cache."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.at_rest.master_keys import open_master_keys
from common.at_rest.opening import fresh, open_key_ring
from common.clock import Clock
from common.errors import AxbridgeError, UnavailableError
from common.logs import get_logger
from common.settings_problems import make_data_directory
from routing_service.cache.auditor import Auditor
from routing_service.cache.cached_source import CachedCandidateSource, CachingLimits, Guards
from routing_service.cache.fenced_writer import FencedWriter
from routing_service.cache.group_loader import LoadLimits
from routing_service.cache.ports import CacheFence, RouteCache
from routing_service.cache.redis_cache import RedisCache, RedisCacheLimits
from routing_service.cache.redis_client import open_redis, parse_redis_url
from routing_service.cache.scanning import ScanLimit
from routing_service.cache.sealed_cache import SealedCache
from routing_service.cache.settlement import Settlement, SettlementLimits
from routing_service.cache_stats import CacheStats
from routing_service.call_memory import CallMemory
from routing_service.change_bell import ChangeBell, RingingWriter
from routing_service.migrate import check_schema, migrate_database
from routing_service.ports import BindingHistory, BindingStore, CandidateSource, TenantStore
from routing_service.settings import RoutingServiceSettings
from routing_service.sql_store.binding_store import SqlBindingStore
from routing_service.sql_store.call_memory import SqlCallMemoryStore
from routing_service.sql_store.candidates import SqlCandidateSource
from routing_service.sql_store.database import Database, DatabaseLimits
from routing_service.sql_store.kept import kept_database
from routing_service.sql_store.outbox import SqlCacheOutbox
from routing_service.sql_store.requests import forget_old_requests
from routing_service.sql_store.tenant_store import SqlTenantStore
from routing_service.sql_store.transaction import UncachedWriter, Writer

_log = get_logger(__name__)

_FORGET_SECONDS = 600.0
_FORGET_PAUSE_SECONDS = 0.1


class Cache(RouteCache, CacheFence, Protocol):
    """Both sides of a cache."""

    @property
    def is_left_alone(self) -> bool:
        """Whether it is not asked at the moment, since it did not answer."""
        ...

    async def close(self) -> None: ...


OpenCache = Callable[[RoutingServiceSettings, Clock, CacheStats], Cache]


@dataclass(frozen=True, slots=True)
class Stores:
    """What the use cases work with.

    `writer` is for further stores on the same database, `stats` and `breakers` (by name: whether it is open) for the
    metrics; `bell` rings after each write.
    """

    tenants: TenantStore
    bindings: BindingStore
    source: CandidateSource
    history: BindingHistory
    database: Database
    writer: Writer
    stats: CacheStats
    bell: ChangeBell
    breakers: Mapping[str, Callable[[], bool]] = field(default_factory=dict)


def open_redis_cache(settings: RoutingServiceSettings, clock: Clock, stats: CacheStats) -> RedisCache:
    """The cache at `settings.redis_url`. It connects when first used."""
    address = parse_redis_url(
        settings.redis_url, settings.redis_password, settings.redis_ca_file, settings.redis_sentinel_password
    )
    limits = RedisCacheLimits(
        read_timeout_seconds=settings.cache_timeout_seconds,
        write_timeout_seconds=settings.cache_write_timeout_seconds,
        ttl_seconds=settings.cache_ttl_seconds,
        key_prefix=settings.redis_key_prefix,
    )
    reading = open_redis(
        address, connections=settings.redis_connections, timeout_seconds=settings.cache_timeout_seconds
    )
    writing = open_redis(
        address, connections=settings.redis_connections, timeout_seconds=settings.cache_write_timeout_seconds
    )
    return RedisCache(reading, writing, limits, clock, stats)


@asynccontextmanager
async def opened_stores(
    settings: RoutingServiceSettings, clock: Clock, open_cache: OpenCache = open_redis_cache
) -> AsyncIterator[Stores]:
    """The stores while the context is open.

    Raises FailedPreconditionError when the database does not have this version's schema and is not to be migrated, and
    SQLAlchemy's errors and OSError when it can't be opened.
    """
    database = await _open_database(settings)
    stats = CacheStats()
    source = SqlCandidateSource(database)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(database.close)
        await closing.enter_async_context(fresh(database.keys))
        writer: Writer = UncachedWriter(database)
        answering: CandidateSource = source
        breakers: dict[str, Callable[[], bool]] = {}
        if settings.redis_url:
            cache = open_cache(settings, clock, stats)
            closing.push_async_callback(cache.close)
            outbox = SqlCacheOutbox(database, clock)
            skew = SettlementLimits(settings.cache_ttl_seconds, settings.cache_clock_skew_seconds)
            settlement = Settlement(cache, outbox, skew, clock, stats)
            writer = fenced = FencedWriter(database, cache, outbox, settlement, stats)
            auditor = Auditor(source, cache, outbox, clock, stats)
            auditor.start_sampling(settings.cache_audits_per_second)
            remembering: RouteCache = cache if database.keys is None else SealedCache(cache, database.keys)
            guards = Guards(auditor, ScanLimit(settings.cache_absent_reads_per_second, clock))
            answering = cached = CachedCandidateSource(source, remembering, guards, _caching_limits(settings), stats)
            closing.push_async_callback(cached.close)
            breakers = {"redis": lambda: cache.is_left_alone, "store": lambda: cached.breaker.is_open}
            closing.push_async_callback(settlement.close)
            await closing.enter_async_context(_running(settlement.run(), auditor.run()))
            closing.push_async_callback(fenced.close)
        bell = ChangeBell()
        writer = RingingWriter(writer, bell)
        yield Stores(
            SqlTenantStore(database, writer, clock),
            SqlBindingStore(database, writer, clock),
            answering,
            source,
            database,
            writer,
            stats,
            bell,
            breakers,
        )


@asynccontextmanager
async def opened_call_memory(database: Database, clock: Clock) -> AsyncIterator[CallMemory]:
    """The memory of calls while the context is open; what is noted is stored at the latest at its end."""
    memory = CallMemory(SqlCallMemoryStore(database), clock)
    try:
        async with _running(memory.run()):
            yield memory
    finally:
        await memory.flush()


@asynccontextmanager
async def forgetting_requests(database: Database, clock: Clock) -> AsyncIterator[None]:
    """Forget requests that are too old to be repeated, while the context is open."""
    async with _running(_forget_requests(database, clock)):
        yield


async def _forget_requests(
    database: Database, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    while True:
        try:
            while await forget_old_requests(database, clock.now()):
                # Between two lots others get their turn.
                await sleep(_FORGET_PAUSE_SECONDS)
        except AxbridgeError as error:
            _log.info("old requests stay for now", detail=error.message)
        await sleep(_FORGET_SECONDS)


def _caching_limits(settings: RoutingServiceSettings) -> CachingLimits:
    loads = LoadLimits(settings.cache_concurrent_loads, settings.read_timeout_seconds, settings.cache_ttl_seconds)
    return CachingLimits(settings.cache_ttl_seconds, settings.cache_negative_ttl_seconds, loads)


@asynccontextmanager
async def _running(*works: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _open_database(settings: RoutingServiceSettings) -> Database:
    if not settings.database_url:
        make_data_directory(settings.data_dir, "AXBRIDGE_ROUTING_")
    database = Database(
        settings.effective_database_url,
        DatabaseLimits(
            settings.read_connections,
            settings.write_connections,
            settings.read_timeout_seconds,
            settings.write_timeout_seconds,
        ),
    )
    try:
        if settings.migrate_at_start == "yes" or (settings.migrate_at_start == "auto" and database.is_sqlite):
            # Not by the connections that write: their statements have to end sooner than an index may take to build.
            await migrate_database(settings.effective_database_url)
        else:
            await check_schema(database.writers)
        master = None if settings.master_key_file is None else open_master_keys(settings.master_key_file)
        database.keys = await open_key_ring(kept_database(database.writers), master)
    except OSError as error:
        # No connection at all, or no such host; SQLAlchemy's errors say by themselves what they are about.
        await database.close()
        raise UnavailableError(f"the database of AXBRIDGE_ROUTING_DATABASE_URL can't be reached: {error}") from error
    except BaseException:
        await database.close()
        raise
    return database
