"""One RPC as the interceptor follows it, from its beginning through each of its messages."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from common.auth.grants import OPEN_GRANT, Scope, set_current_grant
from common.auth.number_redaction import redacted
from common.auth.refusal_log import RefusalLog
from common.auth.requirements import Charge, Requirement
from common.auth.sessions import Presented, Session, certificate_names
from common.auth.unmasking import UnmaskAudit, asks_for_whole_numbers, set_whole_numbers_wanted, unmasked_request
from common.clock import Clock
from common.errors import AxbridgeError, PermissionDeniedError
from common.limits.rpc_limits import RpcLimiter
from common.logs import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What every call is held to."""

    open_session: Callable[[Presented, Requirement], Session]
    limiter: RpcLimiter
    refusals: RefusalLog
    clock: Clock
    audit: UnmaskAudit


class GuardedCall:
    """One RPC. `session` is given when its caller showed a key, and is found by the certificate otherwise."""

    def __init__(self, rules: Rules, method: str, requirement: Requirement, session: Session | None) -> None:
        self._rules = rules
        self._method = method
        self._requirement = requirement
        self._session = session
        self._is_stream = False
        self._is_first = True
        self._wants_numbers = False
        # Of whom it was written down that their numbers are shown; None: of nobody yet.
        self._noted_tenants: set[str] | None = None
        self._context: Any = None
        self._open = ExitStack()

    def begin(self, context: Any) -> None:
        """Find out who calls. Raises UnauthenticatedError, PermissionDeniedError."""
        self._context = context
        if self._session is None:
            with self._noting_refusals():
                presented = Presented(None, certificate_names(context))
                self._session = self._rules.open_session(presented, self._requirement)
        set_current_grant(self._session.grant)
        self._wants_numbers = asks_for_whole_numbers(context.invocation_metadata()) and not self._is_for_gateway
        if self._wants_numbers and Scope.UNMASK not in self._session.grant.scopes:
            with self._noting_refusals():
                raise PermissionDeniedError("to see whole numbers takes the scope unmask", reason="MISSING_SCOPE")
        set_whole_numbers_wanted(self._wants_numbers)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a stream as open while the context is. Raises ResourceExhaustedError."""
        self._is_stream = True
        with self._open:
            with self._noting_refusals():
                self._open.enter_context(self._rules.limiter.stream(frozenset({self._caller_key})))
            yield

    async def check(self, message: Any) -> None:
        """Check a request message: whose data it is about, and the limits. Raises AxbridgeError."""
        with self._noting_refusals():
            tenant_ids = self._opened.check_message(message)
            keys = tenant_ids or [self._caller_key]
            if self._requirement.charge is Charge.WRITE:
                await self._rules.limiter.count_write(keys)
            elif self._requirement.charge is Charge.READ and self._is_first:
                await self._rules.limiter.count_read(keys)
            if self._is_stream and self._is_first and tenant_ids:
                self._open.enter_context(self._rules.limiter.stream(frozenset(tenant_ids)))
        self._is_first = False
        if self._wants_numbers:
            await self._note_shown_numbers(message, tenant_ids)

    def outgoing(self, message: Any) -> Any:
        """The message as this caller may see it. Raises AxbridgeError when the credential is no longer good."""
        session = self._opened
        with self._noting_refusals():
            session.check_still()
        if session.grant is OPEN_GRANT or self._is_for_gateway:
            return message
        # A credential may have lost the scope since the call began.
        if self._wants_numbers and Scope.UNMASK in session.grant.scopes:
            return message
        return redacted(message)

    async def checked(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """A stream of requests, each let through after its check."""
        async for message in requests:
            await self.check(message)
            yield message

    async def _note_shown_numbers(self, message: Any, tenant_ids: list[str]) -> None:
        """Write down whose numbers are shown from now on, once for each tenant. Raises AxbridgeError."""
        noted = self._noted_tenants
        fresh = [each for each in tenant_ids if noted is None or each not in noted]
        if noted is not None and not fresh:
            return
        caller = self._opened.grant.caller
        await self._rules.audit.record(unmasked_request(caller, self._method, fresh, message))
        self._noted_tenants = {*(noted or ()), *fresh}
        _log.info("numbers shown whole", rpc_method=self._method, caller=caller, tenants=sorted(fresh))

    @property
    def _is_for_gateway(self) -> bool:
        """Whether the gateway itself calls, which passes on what it is told."""
        return self._requirement.is_for_gateway and Scope.GATEWAY in self._opened.grant.scopes

    @property
    def _opened(self) -> Session:
        assert self._session is not None, "begin was not called"
        return self._session

    @property
    def _caller_key(self) -> str:
        return f"caller:{self._opened.grant.caller}"

    @contextmanager
    def _noting_refusals(self) -> Iterator[None]:
        try:
            yield
        except AxbridgeError as error:
            caller = "" if self._session is None else self._session.grant.caller
            self._rules.refusals.add(self._method, self._context, error, caller)
            raise


class GuardedContext:
    """The context of a streaming method: what goes through its `read` and `write` is checked like everything else."""

    def __init__(self, context: Any, call: GuardedCall) -> None:
        self._context = context
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def read(self) -> Any:
        message = await self._context.read()
        if message is not grpc.aio.EOF:
            await self._call.check(message)
        return message

    async def write(self, message: Any) -> None:
        await self._context.write(self._call.outgoing(message))
