"""Importing many bindings, a chunk of rows at a time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from common.clock import Clock
from common.errors import InvalidArgumentError
from routing_service.binding_rules import checked_terms
from routing_service.domain.binding import Binding
from routing_service.domain.importing import Drafts, ImportDraft, ImportOptions, ImportOutcome, ImportRow
from routing_service.domain.tenant import Tenant
from routing_service.domain.write_origin import WriteOrigin, checked_request_id
from routing_service.not_found import no_such_tenant
from routing_service.ports import BindingImporter, ImportChunk, TenantStore
from routing_service.tenant_rules import check_tenant_id

# Rows of one transaction, unless the import is atomic.
CHUNK_ROWS = 1000
# All of an atomic import is held in memory, and its transaction holds up other writers.
MAX_ATOMIC_ROWS = 20_000
# Of a dry run every row's claims are remembered, about 500 bytes a row.
MAX_DRY_RUN_ROWS = 100_000
# Rows that are checked before queries get their turn again.
_ROWS_AT_ONCE = 50


class ImportService:
    """Imports bindings. Each chunk is stored before the next one is read: nothing is buffered without bound."""

    def __init__(
        self,
        importer: BindingImporter,
        tenants: TenantStore,
        clock: Clock,
        new_binding_id: Callable[[], str],
        max_dry_run_rows: int = MAX_DRY_RUN_ROWS,
    ) -> None:
        self._importer = importer
        self._tenants = tenants
        self._clock = clock
        self._new_binding_id = new_binding_id
        self._max_dry_run_rows = max_dry_run_rows

    async def run(
        self, options: ImportOptions, rows: AsyncIterator[Sequence[ImportRow]], origin: WriteOrigin
    ) -> AsyncIterator[Sequence[ImportOutcome]]:
        """What became of the rows, in their order; of an atomic import after the last one.

        When the stream breaks, the chunks that were told of are stored. Sent again under the same request id, the
        stored ones are not stored twice. Raises InvalidArgumentError, NotFoundError for an unknown tenant, and what
        Writer.write raises.
        """
        check_tenant_id(options.tenant_id, "options.tenant_id")
        checked_request_id(origin.request_id, "options.request_id")
        if options.dry_run:
            # Nothing is stored, so there is nothing to remember either.
            origin = replace(origin, request_id="")
        tenant = await self._tenants.get(options.tenant_id)
        if tenant is None:
            raise no_such_tenant(options.tenant_id)
        taken: dict[tuple[str, str], str] = {}
        part, count = 0, 0
        async for some in _in_chunks(rows, options.atomic):
            count += len(some)
            if options.dry_run and count > self._max_dry_run_rows:
                raise InvalidArgumentError(
                    "options.dry_run", f"at most {self._max_dry_run_rows} rows can be checked at once"
                )
            chunk = ImportChunk(self._clock.now(), options.atomic, options.dry_run, part, taken)
            yield await self._store(options, tenant, some, chunk, origin)
            part += 1

    async def _store(
        self,
        options: ImportOptions,
        tenant: Tenant,
        rows: Sequence[ImportRow],
        chunk: ImportChunk,
        origin: WriteOrigin,
    ) -> Sequence[ImportOutcome]:
        ids = [self._new_binding_id() for _ in rows]
        checked: list[ImportDraft | ImportOutcome] = []
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            places = range(start, min(start + _ROWS_AT_ONCE, len(rows)))
            checked += [self._draft(rows[place], ids[place], tenant, chunk) for place in places]
            await asyncio.sleep(0)

        def make(present: Tenant) -> Drafts:
            if present.revision == tenant.revision and present.settings == tenant.settings:
                return checked
            # Somebody changed the tenant since the import began.
            return [self._draft(row, binding_id, present, chunk) for row, binding_id in zip(rows, ids, strict=True)]

        if origin.request_id:
            origin = replace(origin, content_hash=_content_hash(options, rows))
        return await self._importer.store(options.tenant_id, make, chunk, origin)

    def _draft(
        self, row: ImportRow, binding_id: str, tenant: Tenant, chunk: ImportChunk
    ) -> ImportDraft | ImportOutcome:
        if row.tenant_id not in ("", tenant.tenant_id):
            foreign = InvalidArgumentError("binding.tenant_id", "the row is of another enterprise than the import")
            return ImportOutcome.refused(row.row, foreign)
        if isinstance(row.terms, InvalidArgumentError):
            return ImportOutcome.refused(row.row, row.terms)
        try:
            terms = checked_terms(row.terms, tenant)
        except InvalidArgumentError as error:
            return ImportOutcome.refused(row.row, error)
        return ImportDraft(row.row, Binding(binding_id, tenant.tenant_id, terms, 1, chunk.at, chunk.at))


async def _in_chunks(rows: AsyncIterator[Sequence[ImportRow]], atomic: bool) -> AsyncIterator[Sequence[ImportRow]]:
    """The rows in chunks that don't depend on how they came; all at once when atomic. No rows are no chunk."""
    waiting: list[ImportRow] = []
    async for some in rows:
        waiting += some
        if atomic:
            if len(waiting) > MAX_ATOMIC_ROWS:
                raise InvalidArgumentError(
                    "options.atomic", f"at most {MAX_ATOMIC_ROWS} rows can be stored all or none"
                )
            continue
        while len(waiting) >= CHUNK_ROWS:
            yield waiting[:CHUNK_ROWS]
            waiting = waiting[CHUNK_ROWS:]
    if waiting:
        yield waiting


def _content_hash(options: ImportOptions, rows: Sequence[ImportRow]) -> str:
    digest = hashlib.sha256(f"import atomic={options.atomic}".encode())
    for row in rows:
        digest.update(row.content_hash)
    return digest.hexdigest()
