"""Importing many bindings."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import AxbridgeError, InvalidArgumentError
from routing_service.domain.binding import Binding, BindingTerms


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import. `atomic`: all rows or none. `dry_run`: check everything, store nothing."""

    tenant_id: str
    atomic: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row, counted from 1: what it says, or why it can't be read. `content_hash` is of all of it."""

    row: int
    tenant_id: str
    terms: BindingTerms | InvalidArgumentError
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of a row: a binding (of a dry run one that would be made), or the error, with the field if one is
    wrong."""

    row: int
    binding_id: str = ""
    field: str = ""
    error: str = ""

    @property
    def is_refused(self) -> bool:
        return bool(self.error)

    @classmethod
    def refused(cls, row: int, error: AxbridgeError) -> "ImportOutcome":
        """The outcome of a row that this error stands against."""
        return cls(row, field=error.metadata.get("field", ""), error=error.message)


@dataclass(frozen=True, slots=True)
class ImportDraft:
    """A row that is right by itself, as the binding that it would become."""

    row: int
    binding: Binding


# The rows of a chunk: drafts, and those that are refused already, in their order.
Drafts = Sequence[ImportDraft | ImportOutcome]
