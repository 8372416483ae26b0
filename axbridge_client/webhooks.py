"""Verifying webhook messages by the Standard Webhooks specification (standardwebhooks.com), with nothing but Python.

```python
from axbridge_client.webhooks import WebhookVerificationError, verify

try:
    message = verify(secret, request.headers, await request.read())
except WebhookVerificationError:
    return Response(status=401)
```
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
TOLERANCE_SECONDS = 300


class WebhookVerificationError(Exception):
    """The message is not what its sender signed, or too old, or not signed at all. The message says which."""


def verify(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now_seconds: float | None = None,
) -> dict[str, Any]:
    """The message, when one of its signatures was made with the secret (`whsec_…`), or one of several secrets.

    `headers` are the request's, in any case; `body` its bytes as they came. `now_seconds` since 1970 UTC; None: the
    machine's clock, from which the message's timestamp may differ by `tolerance_seconds`. Raises
    WebhookVerificationError, and ValueError for a secret that is none.
    """
    keys = [_key(text) for text in ([secret] if isinstance(secret, str) else secret)]
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp, signatures = (
            given[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        )
        age_seconds = (time.time() if now_seconds is None else now_seconds) - int(timestamp)
    except KeyError as error:
        raise WebhookVerificationError(f"the header {error.args[0]} is missing") from error
    except (ValueError, OverflowError) as error:
        raise WebhookVerificationError("the timestamp is no number") from error
    if abs(age_seconds) > tolerance_seconds:
        raise WebhookVerificationError(
            "the message is too old" if age_seconds > 0 else "the message is from the future"
        )
    # Servers hand over a header's bytes that are no UTF-8 as halves of surrogate pairs.
    signed = f"{message_id}.{timestamp}.".encode(errors="surrogatepass") + body
    wanted = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()) for key in keys]
    came = [
        part.removeprefix("v1,").encode(errors="surrogatepass")
        for part in signatures.split(" ")
        if part.startswith("v1,")
    ]
    if not any(hmac.compare_digest(each, mine) for each in came for mine in wanted):
        raise WebhookVerificationError("no signature is right")
    try:
        message = json.loads(body)
    except ValueError as error:
        raise WebhookVerificationError("the body is no JSON") from error
    if not isinstance(message, dict):
        raise WebhookVerificationError("the body is no JSON object")
    return message


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook's secret is whsec_ and base64") from error
