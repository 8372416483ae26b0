"""Whole numbers: who may see them has to ask for them, each time, and what was asked is written down first."""

import json
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from common.auth.number_redaction import redacted

# Metadata of a call that asks for whole numbers: this name, and the value `true`.
UNMASK_METADATA = ("axbridge-unmask", "true")
# The action of an entry in an audit log.
UNMASK_ACTION = "numbers.unmask"
# The tenant of an entry about a request that was about all tenants.
ALL_TENANTS_ENTRY = "*"
# Longer requests are cut off in the log: the first rows of an import say what it was.
_LONGEST_REQUEST = 4000

_wanted: ContextVar[bool] = ContextVar("axbridge_whole_numbers", default=False)


@dataclass(frozen=True, slots=True)
class UnmaskedRequest:
    """A request whose answers show whole numbers. `document` is JSON, with the numbers in the request masked."""

    caller: str
    method: str
    tenant_ids: tuple[str, ...]
    document: str


class UnmaskAudit(Protocol):
    """Where it is written down that somebody sees whole numbers."""

    async def record(self, request: UnmaskedRequest) -> None:
        """Put it down, one entry a tenant, before anything is shown. Raises AxbridgeError; then nothing is shown."""
        ...


class NoUnmaskAudit:
    """For servers that keep no audit log: nobody sees whole numbers on request there. Raises nothing."""

    async def record(self, request: UnmaskedRequest) -> None:
        return None


def asks_for_whole_numbers(metadata: Sequence[tuple[str, str | bytes]] | None) -> bool:
    """Whether a call's metadata asks for whole numbers."""
    return UNMASK_METADATA in (metadata or ())


def whole_numbers_wanted() -> bool:
    """Whether the RPC that this task serves was asked for whole numbers, and may show them.

    For answers whose numbers the interceptor can't mask, since they are not in fields of their own.
    """
    return _wanted.get()


def set_whole_numbers_wanted(wanted: bool) -> None:
    """The interceptor says it; every RPC runs in a task of its own."""
    _wanted.set(wanted)


def unmasked_request(caller: str, method: str, tenant_ids: Sequence[str], message: Any) -> UnmaskedRequest:
    """What to write down of a request message."""
    content = MessageToDict(redacted(message), preserving_proto_field_name=True) if isinstance(message, Message) else {}
    asked = json.dumps(content, ensure_ascii=False)
    if len(asked) > _LONGEST_REQUEST:
        content = {"cut_off": asked[:_LONGEST_REQUEST]}
    document = json.dumps({"rpc": method, "request": content}, ensure_ascii=False)
    return UnmaskedRequest(caller, method, tuple(tenant_ids) or (ALL_TENANTS_ENTRY,), document)
