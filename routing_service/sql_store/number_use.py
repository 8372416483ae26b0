"""Which access numbers are free for whom: a number in use, or at rest after it was, is not."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import to_microseconds
from routing_service.domain.binding import EVERY_CALLER, PAIR_KINDS
from routing_service.domain.number_pool import PastUse, Uses, uses_among
from routing_service.sql_schema import binding_claims, binding_history, bindings, pool_numbers
from routing_service.sql_store.sealing import stored_number

_PAIRS = [kind.value for kind in PAIR_KINDS]


async def uses_of(
    connection: AsyncConnection, tenant_id: str, numbers: Sequence[str], now: datetime, cool_down: timedelta
) -> Uses:
    """How access numbers are used by these numbers, which are A and B of a pair."""
    now_us, resting_since_us = to_microseconds(now), to_microseconds(now - cool_down)
    found = []
    stored = [stored_number(tenant_id, each) for each in numbers]
    for number in stored:
        for side in ("a_number", "b_number"):
            found.append(_of_number(bindings, tenant_id, side, number).where(_lasted(bindings, resting_since_us)))
            found.append(
                _of_number(binding_history, tenant_id, side, number).where(
                    binding_history.c.ended_at_us > resting_since_us, _lasted(binding_history, resting_since_us)
                )
            )
    rows = (await connection.execute(sa.union(*found))).all()
    return uses_among(
        PastUse(
            row.access_number,
            row.kind in _PAIRS and {row.a_number, row.b_number} == set(stored),
            row.ended_at_us is None and (row.expires_at_us is None or row.expires_at_us > now_us),
        )
        for row in rows
    )


async def previous_number(connection: AsyncConnection, tenant_id: str, pair: Sequence[str]) -> str | None:
    """The access number that this pair had last, None where it never had one."""
    a, b = (stored_number(tenant_id, each) for each in pair)
    found = [
        sa.select(table.c.access_number, table.c.updated_at_us).where(
            table.c.tenant_id == tenant_id,
            table.c.kind.in_(_PAIRS),
            table.c.a_number == first,
            table.c.b_number == second,
        )
        for table in (bindings, binding_history)
        for first, second in ((a, b), (b, a))
    ]
    either = sa.union_all(*found).subquery()
    last = sa.select(either.c.access_number).order_by(either.c.updated_at_us.desc()).limit(1)
    number: str | None = await connection.scalar(last)
    return number


def not_kept(now: datetime, cool_down: timedelta, *, by_anybody: bool) -> Any:
    """A condition on `pool_numbers`: nobody keeps the access number to itself, or, `by_anybody`, nobody uses it.

    One that rests after such a use is kept too.
    """
    resting_since_us = to_microseconds(now - cool_down)
    past = sa.select(sa.literal(1)).where(
        binding_history.c.tenant_id == pool_numbers.c.tenant_id,
        binding_history.c.access_number == pool_numbers.c.access_number,
        binding_history.c.ended_at_us > resting_since_us,
        _lasted(binding_history, resting_since_us),
    )
    if by_anybody:
        present = sa.select(sa.literal(1)).where(
            bindings.c.tenant_id == pool_numbers.c.tenant_id,
            bindings.c.access_number == pool_numbers.c.access_number,
            _lasted(bindings, resting_since_us),
        )
    else:
        past = past.where(binding_history.c.kind.not_in(_PAIRS))
        # An expired binding keeps its claim until another one wants it.
        present = (
            sa.select(sa.literal(1))
            .select_from(binding_claims.join(bindings, bindings.c.binding_id == binding_claims.c.binding_id))
            .where(
                binding_claims.c.tenant_id == pool_numbers.c.tenant_id,
                binding_claims.c.access_number == pool_numbers.c.access_number,
                binding_claims.c.number == EVERY_CALLER,
                _lasted(bindings, resting_since_us),
            )
        )
    return sa.and_(~present.exists(), ~past.exists())


def rested_from_others(now: datetime, cool_down: timedelta) -> Any:
    """A condition on `pool_numbers`: no other tenant's bindings ended there lately. Whoever they were, since under
    another tenant's key their numbers can't be compared."""
    ended = sa.func.coalesce(pool_numbers.c.others_released_at_us, pool_numbers.c.added_at_us)
    return ended <= to_microseconds(now - cool_down)


def has_capabilities(capabilities: Collection[str]) -> Any:
    """A condition on `pool_numbers`."""
    # Names hold no wildcard but `_`, which is escaped.
    return sa.and_(
        sa.true(), *(pool_numbers.c.capabilities.contains(f",{each},", autoescape=True) for each in capabilities)
    )


def _of_number(table: sa.Table, tenant_id: str, side: str, number: str) -> "sa.Select[Any]":
    ended = table.c.ended_at_us if "ended_at_us" in table.c else sa.cast(sa.null(), sa.BigInteger).label("ended_at_us")
    # Telling it that the number is not empty lets a database use the indexes that leave empty ones out.
    return sa.select(
        table.c.access_number, table.c.kind, table.c.a_number, table.c.b_number, table.c.expires_at_us, ended
    ).where(table.c.tenant_id == tenant_id, table.c[side] == number, table.c[side] != "")


def _lasted(table: sa.Table, since_us: int) -> Any:
    return sa.or_(table.c.expires_at_us.is_(None), table.c.expires_at_us > since_us)
