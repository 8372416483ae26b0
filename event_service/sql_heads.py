"""The heads of partitions in SQL: locking them is the right to write to their partitions."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from event_service.sql_many import update_many
from event_service.sql_schema import partition_heads

# A BIGINT lasts for 10^13 transactions.
_MAX_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class LockedHeads:
    """The rows of partitions that nobody else can write to until the transaction ends, by partition.

    `offsets` and `changes` are the last ones; whoever writes further rows moves them on. `write_counts` are as found;
    they grow by `write_step`.
    """

    offsets: dict[int, int]
    changes: dict[int, int]
    write_counts: dict[int, int]
    # By chance: a database that lost its last commits (a failover, a backup) would count to the same numbers again, and
    # a process that remembers them would take what it finds there for its own.
    write_step: int = field(default_factory=lambda: 1 + secrets.randbelow(_MAX_STEP))


async def lock_heads(connection: AsyncConnection, partitions: Collection[int]) -> LockedHeads:
    """Lock these partitions; always in their order, so that two writers can't wait for each other."""
    heads = partition_heads.c
    query = (
        select(heads.partition_id, heads.last_offset, heads.last_change, heads.write_count)
        .where(heads.partition_id.in_(padded(sorted(partitions))))
        .order_by(heads.partition_id)
        .with_for_update()
    )
    rows = (await connection.execute(query)).all()
    return LockedHeads(
        offsets={row[0]: row[1] for row in rows},
        changes={row[0]: row[2] for row in rows},
        write_counts={row[0]: row[3] for row in rows},
    )


async def write_heads(connection: AsyncConnection, heads: LockedHeads) -> None:
    """Write the heads as they are now, each counted as written to once more."""
    rows = [
        {
            "at_partition_id": partition,
            "last_offset": heads.offsets[partition],
            "last_change": heads.changes[partition],
            "write_count": count + heads.write_step,
        }
        for partition, count in heads.write_counts.items()
    ]
    await update_many(connection, partition_heads, rows)


def padded(values: Sequence[Any]) -> Sequence[Any]:
    """The values, the last one repeated up to a power of two: so that a list of any length needs one of a dozen
    statements, and prepared statements are found again."""
    length = 1 << (len(values) - 1).bit_length()
    return [*values, *([values[-1]] * (length - len(values)))]
