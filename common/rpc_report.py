"""What is told of each RPC: counted always, and logged as a line of its own while there are few enough."""

import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc
import grpc.aio

from common.clock import Clock
from common.errors import AxbridgeError
from common.grpc_errors import status_code_of
from common.logs import get_logger
from common.request_lines import RequestLines
from common.telemetry import names
from common.telemetry.metrics import Histogram

_log = get_logger(__name__)
# Asked every few seconds by whoever watches; they are counted only.
_QUIET = ("/grpc.health.", "/grpc.reflection.")
_FAILURES = frozenset({"INTERNAL", "UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED", "DATA_LOSS"})
_WRAPPERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class RpcReport(grpc.aio.ServerInterceptor):
    """Stands around the guard, so that it sees what is refused too, and within the ErrorInterceptor, so that it sees
    errors as what they are. Methods that are not served here are not counted: their names are anybody's."""

    def __init__(self, lines: RequestLines, clock: Clock) -> None:
        self._lines = lines
        self._clock = clock
        self._active: Counter[str] = Counter()
        self.durations = Histogram(names.RPC_DURATION)

    @property
    def active(self) -> int:
        """How many RPCs are under way."""
        return self._active.total()

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        path = str(handler_call_details.method)
        traceparent = _traceparent(handler_call_details)
        inner: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        async def respond(request: Any, context: Any) -> Any:
            with self._reported(path, traceparent, context):
                return await inner(request, context)

        async def respond_stream(request: Any, context: Any) -> AsyncIterator[Any]:
            with self._reported(path, traceparent, context):
                async with aclosing(inner(request, context)) as responses:
                    async for response in responses:
                        yield response

        return _WRAPPERS[bool(handler.request_streaming), bool(handler.response_streaming)](
            respond_stream if inspect.isasyncgenfunction(inner) else respond,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    @contextmanager
    def _reported(self, path: str, traceparent: str, context: Any) -> Iterator[None]:
        began = self._clock.monotonic()
        self._active[path] += 1
        code = "OK"
        try:
            yield
        except AxbridgeError as error:
            code = status_code_of(error).name
            raise
        except grpc.aio.AbortError:
            code = _set_code(context)
            raise
        except Exception:
            code = "INTERNAL"
            raise
        except BaseException:
            # The caller hung up: asyncio cancels what was done for him, and closes his stream.
            code = "CANCELLED"
            raise
        finally:
            self._active[path] -= 1
            self._report(path, code, began, traceparent)

    def _report(self, path: str, code: str, began: float, traceparent: str) -> None:
        now = self._clock.monotonic()
        method = path.rpartition(".")[2]
        self.durations.record(now - began, (method, code))
        if path.startswith(_QUIET):
            return
        failed = code in _FAILURES
        if self._lines.admit(now, failed=failed):
            trace_id = traceparent.split("-")[1] if traceparent.count("-") == 3 else ""
            (_log.warning if failed else _log.info)(
                "rpc",
                rpc_method=method,
                code=code,
                took_ms=round((now - began) * 1000, 2),
                **({"trace_id": trace_id} if trace_id else {}),
            )


def _set_code(context: Any) -> str:
    code = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else _BY_NUMBER.get(code, "UNKNOWN")


_BY_NUMBER = {code.value[0]: code.name for code in grpc.StatusCode}


def _traceparent(details: grpc.HandlerCallDetails) -> str:
    for name, value in details.invocation_metadata or ():
        if name == "traceparent" and isinstance(value, str):
            return value
    return ""
