"""The list of acknowledged events: what must be found in the log afterwards, whatever happened in between."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.messages import Event


class AckFile:
    """Writes one JSON line for each acknowledged event: tenant, sid, callId, seq, code.

    A line is handed to the operating system when the acknowledgement has come, so that the file is right even when
    this process is killed. Copies of one event make one line.
    """

    def __init__(self, path: Path) -> None:
        """Begin an empty file. Raises OSError when it can't be written."""
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._seen: set[tuple[str, str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def acknowledged(self, event: Event) -> None:
        """Note that an event got its 200."""
        key = (event.session_id, event.call_id, event.seq)
        if key in self._seen:
            return
        self._seen.add(key)
        line = {
            "tenant": event.tenant_id,
            "sid": event.session_id,
            "callId": event.call_id,
            "seq": event.seq,
            "code": event.code.text,
        }
        self._file.write(json.dumps(line) + "\n")
