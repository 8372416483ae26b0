"""Picking an access number for a new binding, and creating it there, in one transaction."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.clock import Clock
from common.errors import AbortedError, AlreadyExistsError, AxbridgeError, ResourceExhaustedError
from routing_service.domain.binding import Binding
from routing_service.domain.journal import ChangeType
from routing_service.domain.number_pool import (
    UNUSED,
    AllocationWish,
    Parties,
    PooledNumber,
    PreviousNumberPolicy,
    Uses,
    shortage_of,
)
from routing_service.domain.write_origin import WriteOrigin
from routing_service.pool_ports import MakeOnNumber, NameParties
from routing_service.refusals import pool_exhausted
from routing_service.sql_schema import pool_numbers
from routing_service.sql_store import claims
from routing_service.sql_store.binding_store import store_new_binding
from routing_service.sql_store.journal import BindingWrite, write_binding_changes
from routing_service.sql_store.json_lists import element, json_list, list_elements
from routing_service.sql_store.number_use import (
    has_capabilities,
    not_kept,
    previous_number,
    rested_from_others,
    uses_of,
)
from routing_service.sql_store.requests import BINDING_RESULT, once
from routing_service.sql_store.tenant_store import locked_tenant
from routing_service.sql_store.transaction import Transaction, Writer

_MOST_ATTEMPTS = 16
# Which of several indexes finds the uses of a number quickly depends on how many bindings there are, and a plan made
# while there were few would stay in use while an import adds many.
_PLAN_ANEW = sa.select(sa.func.set_config("plan_cache_mode", "force_custom_plan", True))


class _TakenMeanwhileError(AxbridgeError):
    """Another writer got the access number first. The transaction is given up: waiting for further numbers with one
    locked could make two writers wait for each other."""

    def __init__(self, number: str) -> None:
        super().__init__("another writer got the access number first")
        self.number = number


@dataclass(frozen=True, slots=True)
class _Choice:
    """What an access number is picked by."""

    tenant_id: str
    wish: AllocationWish
    parties: Parties
    uses: Uses
    excluded: Collection[str]
    now: datetime
    is_sqlite: bool

    def of_pool(self) -> Any:
        """Whether a number may be picked at all, as a condition on `pool_numbers`."""
        return sa.and_(
            pool_numbers.c.tenant_id == self.tenant_id,
            pool_numbers.c.pool == self.wish.pool,
            has_capabilities(self.wish.capabilities),
        )

    def free(self, *, own: bool) -> Any:
        """Whether a number is free, as a condition on `pool_numbers`; with `own`, also where only this pair rests."""
        taken = self.uses.live | self.uses.resting | self.parties.named | set(self.excluded)
        if own:
            taken -= self.uses.own
        kept = not_kept(self.now, self.wish.cool_down, by_anybody=not self.parties.pair)
        # One parameter, however many they are: statements have room for some 32,000.
        listed = list_elements("taken", self.is_sqlite, json_list([[each] for each in sorted(taken)]))
        not_taken = pool_numbers.c.access_number.not_in(sa.select(element(listed.c.value, 0, self.is_sqlite)))
        return sa.and_(not_taken, kept, self.rested_from_others())

    def rested_from_others(self) -> Any:
        """A condition on `pool_numbers`."""
        return rested_from_others(self.now, max(self.wish.cool_down, self.wish.others_cool_down))


class Allocator:
    """Creates bindings on access numbers that it picks."""

    def __init__(self, writer: Writer, clock: Clock, random_below: Callable[[int], int] = secrets.randbelow) -> None:
        self._writer = writer
        self._clock = clock
        self._random_below = random_below

    async def allocate(
        self, tenant_id: str, wish: AllocationWish, name: NameParties, make: MakeOnNumber, origin: WriteOrigin
    ) -> Binding:
        """See NumberPoolStore."""
        lost: set[str] = set()

        async def attempt(transaction: Transaction) -> Binding:
            now = self._clock.now()
            return await once(
                transaction,
                tenant_id,
                origin,
                now,
                lambda: self._allocate(transaction, tenant_id, wish, name, make, origin, lost),
                BINDING_RESULT,
            )

        for _ in range(_MOST_ATTEMPTS):
            try:
                return await self._writer.write(tenant_id, attempt)
            except _TakenMeanwhileError as error:
                lost.add(error.number)
        raise AbortedError("other writers got each number first: try again", reason="CONCURRENT_CHANGE")

    async def _allocate(
        self,
        transaction: Transaction,
        tenant_id: str,
        wish: AllocationWish,
        name: NameParties,
        make: MakeOnNumber,
        origin: WriteOrigin,
        lost: Collection[str],
    ) -> Binding:
        connection = transaction.connection
        if connection.dialect.name == "postgresql":
            await connection.execute(_PLAN_ANEW)
        tenant = await locked_tenant(connection, tenant_id, for_change=False)
        parties = name(tenant)
        now = self._clock.now()
        uses = await uses_of(connection, tenant_id, parties.pair, now, wish.cool_down) if parties.pair else UNUSED
        choice = _Choice(tenant_id, wish, parties, uses, lost, now, connection.dialect.name == "sqlite")
        picked = await self._pick(connection, choice)
        if picked is None and lost:
            # What another writer got meanwhile it may have given up again.
            raise AbortedError("other writers got the last numbers first: try again", reason="CONCURRENT_CHANGE")
        if picked is None:
            raise await _exhausted(connection, choice)
        await claims.lock_access_numbers(connection, tenant_id, [picked])
        await self._check_still_free(connection, choice, picked)
        binding = make(tenant, picked)
        try:
            await store_new_binding(transaction, binding)
        except AlreadyExistsError as error:
            raise _TakenMeanwhileError(picked) from error
        created = BindingWrite(ChangeType.CREATED, binding, action="pool.allocate")
        await write_binding_changes(connection, tenant_id, origin, binding.created_at, [created])
        return binding

    async def _pick(self, connection: AsyncConnection, choice: _Choice) -> str | None:
        policy = choice.wish.previous_number_policy
        previous = None
        if policy is not PreviousNumberPolicy.NO_MATTER and choice.parties.pair:
            previous = await previous_number(connection, choice.tenant_id, choice.parties.pair)
        if previous is not None and policy is PreviousNumberPolicy.STICKY:
            again = sa.select(pool_numbers.c.access_number).where(
                choice.of_pool(), choice.free(own=True), pool_numbers.c.access_number == previous
            )
            cities = choice.wish.cities()
            if None not in cities:
                again = again.where(pool_numbers.c.city_code.in_([each for each in cities if each is not None]))
            if (await connection.execute(again)).first() is not None:
                return previous
        free = sa.and_(choice.of_pool(), choice.free(own=False))
        if previous is not None and policy is PreviousNumberPolicy.AVOID:
            free = sa.and_(free, pool_numbers.c.access_number != previous)
        for city in choice.wish.cities():
            in_city = sa.true() if city is None else pool_numbers.c.city_code == city
            picked = await self._any_of(connection, sa.and_(choice.of_pool(), in_city), sa.and_(free, in_city))
            if picked is not None:
                return picked
        return None

    async def _any_of(self, connection: AsyncConnection, all_of: Any, free: Any) -> str | None:
        """One of the free numbers, looked for from a random place on: writers at the same time begin apart."""
        count = await connection.scalar(sa.select(sa.func.count()).select_from(pool_numbers).where(all_of))
        if not count:
            return None
        number = pool_numbers.c.access_number
        place = sa.select(number).where(all_of).order_by(number).offset(self._random_below(count)).limit(1)
        start = (await connection.execute(place)).scalar_one_or_none() or ""
        for half in (number >= start, number < start):
            found: str | None = await connection.scalar(sa.select(number).where(free, half).order_by(number).limit(1))
            if found is not None:
                return found
        return None

    async def _check_still_free(self, connection: AsyncConnection, choice: _Choice, picked: str) -> None:
        uses = UNUSED
        if pair := choice.parties.pair:
            uses = await uses_of(connection, choice.tenant_id, pair, choice.now, choice.wish.cool_down)
        own = choice.wish.previous_number_policy is PreviousNumberPolicy.STICKY
        again = replace(choice, uses=uses, excluded=())
        still = sa.select(pool_numbers.c.access_number).where(
            again.of_pool(), again.free(own=own), pool_numbers.c.access_number == picked
        )
        if (await connection.execute(still)).first() is None:
            raise _TakenMeanwhileError(picked)


async def _exhausted(connection: AsyncConnection, choice: _Choice) -> ResourceExhaustedError:
    """Why no number is free, in counts."""
    wish = choice.wish
    in_pool = (pool_numbers.c.tenant_id == choice.tenant_id) & (pool_numbers.c.pool == wish.pool)
    cities = wish.cities()
    in_city = sa.true() if None in cities else pool_numbers.c.city_code.in_([each for each in cities if each])
    rows = (
        await connection.execute(
            sa.select(
                pool_numbers.c.access_number,
                in_city.label("in_city"),
                has_capabilities(wish.capabilities).label("capable"),
                choice.rested_from_others().label("rested"),
            ).where(in_pool)
        )
    ).all()
    pooled = [PooledNumber(row.access_number, bool(row.in_city), bool(row.capable), bool(row.rested)) for row in rows]
    return pool_exhausted(shortage_of(pooled, choice.uses))
