"""Page tokens: where a list, an export or a rebuild goes on. Each belongs to what was asked for, and is checked."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

import orjson

from common.errors import InvalidArgumentError
from event_service.domain import CALL_KEY_BYTES, Call, call_key
from event_service.ports import CallPosition

# Times in stores are 64 bits wide.
_TIME_BOUND = 1 << 63


def position_behind(call: Call) -> CallPosition:
    """The place just behind a call."""
    return CallPosition(call.started_at_us, call_key(call.tenant_id, call.session_id))


def page_token(position: CallPosition, asked: Sequence[object]) -> str:
    """The token for what follows `position` in the answer to a request that asked for this."""
    content = orjson.dumps([position.started_at_us, position.call_key.hex(), _fingerprint(asked)])
    return base64.urlsafe_b64encode(content).decode()


def read_page_token(token: str, asked: Sequence[object]) -> CallPosition:
    """The position that a token stands for. Raises InvalidArgumentError when it is none, or one of another request."""
    try:
        started_at_us, key, fingerprint = orjson.loads(base64.urlsafe_b64decode(token.encode()))
        position = CallPosition(started_at_us, bytes.fromhex(key))
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidArgumentError("page_token", "not from a previous page") from error
    is_time = isinstance(started_at_us, int) and -_TIME_BOUND <= started_at_us < _TIME_BOUND
    if not is_time or len(position.call_key) not in (0, CALL_KEY_BYTES):
        raise InvalidArgumentError("page_token", "not from a previous page")
    if fingerprint != _fingerprint(asked):
        raise InvalidArgumentError("page_token", "from a list with other filters")
    return position


def _fingerprint(asked: Sequence[object]) -> str:
    return hashlib.blake2b(orjson.dumps(asked), digest_size=8).hexdigest()
