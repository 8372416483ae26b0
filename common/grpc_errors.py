"""The one place where errors become gRPC statuses, and back."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from common import errors
from common.logs import get_logger
from common.masking import mask_text

ERROR_DOMAIN = "axbridge"
_log = get_logger(__name__)

_CODES: dict[type[errors.AxbridgeError], grpc.StatusCode] = {
    errors.InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AbortedError: grpc.StatusCode.ABORTED,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.ResourceExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.UnexpectedError: grpc.StatusCode.INTERNAL,
}
_ERRORS = {code: kind for kind, code in _CODES.items()}


def status_code_of(error: errors.AxbridgeError) -> grpc.StatusCode:
    """The gRPC status that an error becomes."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), grpc.StatusCode.INTERNAL)


def to_status(error: errors.AxbridgeError) -> status_pb2.Status:
    """The rich status of an error: code, message and a google.rpc.ErrorInfo with its reason and metadata.

    Whatever the message quotes, no number leaves with it.
    """
    code = status_code_of(error)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata)
    packed = AnyMessage()
    packed.Pack(info)
    return status_pb2.Status(code=code.value[0], message=mask_text(error.message), details=[packed])


def from_rpc_error(error: grpc.RpcError) -> errors.AxbridgeError:
    """The error that a failed call stands for, with the reason and metadata that the server sent.

    A status that says nothing of its own, such as UNKNOWN from a server that crashed, is an UnexpectedError;
    CANCELLED, which a closing connection leaves behind, is an UnavailableError.
    """
    code = error.code() if isinstance(error, grpc.Call | grpc.aio.AioRpcError) else grpc.StatusCode.UNKNOWN
    details = error.details() if isinstance(error, grpc.Call | grpc.aio.AioRpcError) else str(error)
    if code is grpc.StatusCode.CANCELLED:
        code = grpc.StatusCode.UNAVAILABLE
    kind = _ERRORS.get(code, errors.UnexpectedError)
    reason, metadata = _error_info(error)
    message = details or code.name
    if kind is errors.InvalidArgumentError:
        field = metadata.get("field", "request")
        return errors.InvalidArgumentError(field, message.removeprefix(f"{field}: "), reason=reason)
    return kind(message, reason=reason, metadata=metadata)


def _error_info(error: grpc.RpcError) -> tuple[str | None, dict[str, str]]:
    if not isinstance(error, grpc.aio.AioRpcError | grpc.Call):
        return None, {}
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                return info.reason, dict(info.metadata)
    return None, {}


_WRAPPERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers an AxbridgeError with its status, and anything else with an opaque INTERNAL that is logged here."""

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = str(handler_call_details.method)
        kind = (bool(handler.request_streaming), bool(handler.response_streaming))
        inner: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        async def respond(request: Any, context: Any) -> Any:
            try:
                return await inner(request, context)
            except Exception as error:  # noqa: BLE001 - the last one who could answer it
                await _abort(context, error, method)

        async def respond_stream(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                # Closed at once when the client goes, not whenever the garbage collector comes by.
                async with aclosing(inner(request, context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as error:  # noqa: BLE001 - the last one who could answer it
                await _abort(context, error, method)

        return _WRAPPERS[kind](
            # A streaming method is a generator, or a coroutine that writes to the context (the health service's is).
            respond_stream if inspect.isasyncgenfunction(inner) else respond,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


async def _abort(context: Any, error: Exception, method: str) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, errors.AxbridgeError):
        _log.error("unexpected error", rpc_method=method, exc_info=error)
        error = errors.UnexpectedError("internal error")
    status = to_status(error)
    await context.abort_with_status(rpc_status.to_status(status))
