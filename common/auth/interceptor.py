"""The one place that decides whether an RPC may be served: deny by default, for every kind of RPC."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from common.auth.credentials import Credentials
from common.auth.guarded_call import GuardedCall, GuardedContext, Rules
from common.auth.refusal_log import RefusalLog
from common.auth.requirements import Reach, Requirement, Requirements
from common.auth.sessions import Presented, Session, presented_key
from common.auth.unmasking import NoUnmaskAudit, UnmaskAudit
from common.clock import Clock
from common.errors import AxbridgeError, PermissionDeniedError
from common.limits.rpc_limits import RpcLimiter

_WRAPPERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Lets an RPC through when its method's requirement is met and its tenant's limits allow it.

    A method without a requirement is refused whoever asks. Without `credentials` callers are not told apart; the table
    and the limits hold all the same. It raises AxbridgeErrors, which ErrorInterceptor, around it, turns into statuses.
    """

    def __init__(
        self,
        requirements: Requirements,
        credentials: Callable[[], Credentials] | None,
        limiter: RpcLimiter,
        clock: Clock,
        audit: UnmaskAudit | None = None,
    ) -> None:
        self._requirements = requirements
        self._credentials = credentials
        self._clock = clock
        self._refusals = RefusalLog(clock)
        self._rules = Rules(self._open_session, limiter, self._refusals, clock, audit or NoUnmaskAudit())

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            # Not served here: the server answers UNIMPLEMENTED.
            return None
        method = str(handler_call_details.method)
        requirement = self._requirements.get(method)
        if requirement is None:
            return self._refuse(method, PermissionDeniedError("no rule allows this method", reason="NO_RULE"))
        if requirement.reach is Reach.OPEN:
            return handler
        session = None
        try:
            key = presented_key(handler_call_details.invocation_metadata)
            if key is not None or self._knows_no_certificates():
                # Refused before a byte of the request is read.
                session = self._open_session(Presented(key), requirement)
        except AxbridgeError as error:
            return self._refuse(method, error)
        return _guard(handler, GuardedCall(self._rules, method, requirement, session))

    def _knows_no_certificates(self) -> bool:
        return self._credentials is None or not self._credentials().has_certificates

    def _open_session(self, presented: Presented, requirement: Requirement) -> Session:
        return Session(self._credentials, presented, requirement, self._clock)

    def _refuse(self, method: str, error: AxbridgeError) -> Any:
        async def refuse(_requests: Any, context: Any) -> AsyncIterator[bytes]:
            self._refusals.add(method, context, error)
            raise error
            yield b""  # what makes this a generator

        # Whatever kind of call it is, this kind of handler answers without waiting for a request.
        return grpc.stream_stream_rpc_method_handler(refuse)


def _guard(handler: Any, call: GuardedCall) -> Any:
    """The handler, with every message going through the call's checks."""
    inner: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    is_asking, is_answering = bool(handler.request_streaming), bool(handler.response_streaming)

    async def respond(request: Any, context: Any) -> Any:
        call.begin(context)
        await call.check(request)
        return call.outgoing(await inner(request, context))

    async def respond_to_stream(request: Any, context: Any) -> Any:
        call.begin(context)
        with call.stream():
            answer = await inner(await prepare(request), GuardedContext(context, call))
            # A method that writes its answers to the context returns none.
            return answer if is_answering else call.outgoing(answer)

    async def respond_with_stream(request: Any, context: Any) -> AsyncIterator[Any]:
        call.begin(context)
        with call.stream():
            async with aclosing(inner(await prepare(request), GuardedContext(context, call))) as responses:
                async for response in responses:
                    yield call.outgoing(response)

    async def prepare(request: Any) -> Any:
        if is_asking:
            return call.checked(request)
        await call.check(request)
        return request

    chosen: Any = respond
    if is_answering and inspect.isasyncgenfunction(inner):
        chosen = respond_with_stream
    elif is_asking or is_answering:
        chosen = respond_to_stream
    return _WRAPPERS[is_asking, is_answering](
        chosen,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
