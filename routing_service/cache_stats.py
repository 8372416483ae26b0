"""What the cache did, in plain numbers that only grow."""

from dataclasses import dataclass


@dataclass(slots=True)
class CacheStats:
    """Counters of one process. They are written by the event loop's thread only, and may be read at any time."""

    # Keys that were asked for, by what came of them.
    hits: int = 0
    misses: int = 0
    # Of the missed ones, those that their reader may fill.
    leases: int = 0
    # Missed because a write to their scope was going on.
    fenced: int = 0
    # Missed because the cache did not answer in time or refused.
    unreachable: int = 0
    # Missed because the cache was not even asked: it has not answered lately.
    bypassed: int = 0
    # Found, but not used: too old by our clock, from the future by our clock, another key's, not readable.
    expired: int = 0
    from_the_future: int = 0
    wrong_key: int = 0
    unreadable: int = 0
    # Entries put into the cache, and those that could not be.
    fills: int = 0
    failed_fills: int = 0
    # Keys that were loaded from the store, the statements that it took, and keys that waited for another one's load.
    loads: int = 0
    load_statements: int = 0
    joined_loads: int = 0
    # Of the loaded keys, those that were read again before they ran out.
    refreshes: int = 0
    failed_loads: int = 0
    # Keys that were not loaded, since too many of their tenant's had been in vain.
    refused_loads: int = 0
    # Writes by how they ended: the cache was told, or its entries were waited out.
    invalidations: int = 0
    waited_out: int = 0
    # Writes that were committed without a marker in the cache.
    unmarked_writes: int = 0
    # Writes of others, or of a previous life, that were finished here.
    finished_for_others: int = 0
    # Served answers that were compared with the store, and those that differed without a write to explain it.
    audits: int = 0
    mismatches: int = 0
