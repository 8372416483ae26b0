"""Update masks."""

from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from routing_service.patch import ChangeableFields, is_changeable

_Message = TypeVar("_Message", bound=Message)


def only_masked(message: _Message, mask: FieldMask, changeable: ChangeableFields) -> _Message:
    """A copy of `message` with the fields that the mask names and that may change, and nothing else.

    What the mask does not name is not looked at, so it can't be wrong either. Paths that can't be changed are left for
    the service to refuse.
    """
    kept = type(message)()
    known = FieldMask(paths=[path for path in mask.paths if is_changeable(path, changeable)])
    known.MergeMessage(message, kept)
    return kept
