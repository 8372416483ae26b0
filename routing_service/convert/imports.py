"""Rows to import and what became of them."""

import hashlib

from axbridge.routing.v1 import binding_pb2, binding_service_pb2

from common.errors import InvalidArgumentError
from routing_service.convert.bindings import kind_from_proto, terms_from_proto
from routing_service.domain.binding import BindingTerms
from routing_service.domain.importing import ImportOptions, ImportOutcome, ImportRow


def import_options_from_proto(message: binding_service_pb2.ImportOptions) -> ImportOptions:
    return ImportOptions(message.tenant_id, message.atomic, message.dry_run)


def import_row_from_proto(message: binding_pb2.Binding, row: int, *, hashed: bool) -> ImportRow:
    """A row; one that can't be read says why. Its content is hashed where the import has a name."""
    digest = hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16).digest() if hashed else b""
    terms: BindingTerms | InvalidArgumentError
    try:
        terms = terms_from_proto(message, kind_from_proto(message))
    except InvalidArgumentError as error:
        terms = error
    return ImportRow(row, message.tenant_id, terms, digest)


def import_result_to_proto(outcome: ImportOutcome) -> binding_service_pb2.ImportResult:
    return binding_service_pb2.ImportResult(
        row=outcome.row, binding_id=outcome.binding_id, field=outcome.field, error=outcome.error
    )
