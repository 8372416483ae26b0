"""HTTP to use cases and back. Every answer is in the request's own format."""

from functools import lru_cache

from aiohttp import web

from common.clock import to_microseconds
from common.errors import AxbridgeError, DeadlineExceededError, InvalidArgumentError, NotFoundError
from common.logs import get_logger
from common.protocol_codes import ResultCode
from gateway.body import read_body
from gateway.codec import (
    InvalidEventError,
    MessageError,
    UnreadableBodyError,
    decode_request,
    encode_answer,
)
from gateway.codec.detect import refusal_form
from gateway.domain import Event, Message, MessageForm, Query, QueryAnswer, Receipt, RejectedMessage
from gateway.entrance import Entrance
from gateway.log_throttle import LogThrottle
from gateway.platform_access import Sender
from gateway.quick_answer import NamelessResponse, answer
from gateway.readiness import Readiness
from gateway.request_report import RequestReport
from gateway.service import EventService, QueryService
from gateway.tracked_tasks import TrackedTasks

_log = get_logger(__name__)


class CallHandler:
    """POST /v1/calls: queries and events."""

    def __init__(
        self,
        queries: QueryService,
        events: EventService,
        entrance: Entrance,
        tasks: TrackedTasks,
        report: RequestReport,
    ) -> None:
        self._queries = queries
        self._events = events
        self._entrance = entrance
        self._limits = entrance.limits
        self._tasks = tasks
        self._report = report
        self._clock = report.clock
        self._unexpected = LogThrottle(report.clock)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a message of the platform."""
        started = self._clock.monotonic()
        content_type = request.headers.get("Content-Type")
        body = b""
        sender = self._entrance.sender(request)
        try:
            body = await read_body(request, self._limits.body_timeout_seconds)
            message = decode_request(content_type, body)
            command = message.command
            tenant_id = command.tenant_id.strip()
            if not self._entrance.admits(sender, tenant_id):
                return await self._turn_away(message, body, content_type, sender, started)
            if isinstance(command, Query):
                if await self._entrance.has_room_for_query(tenant_id):
                    styled = await self._queries.answer(command, started, request.headers)
                    self._report.query(command, styled.answer.result, started, styled.trace_id)
                else:
                    styled = self._queries.decline(command, ResultCode.UNAVAILABLE)
                    self._report.query_over_limit(command, started)
                written = encode_answer(message.form, styled.answer, styled.style)
                return answer(request, written, message.form.content_type)
            if not await self._entrance.has_room_for_event(tenant_id):
                self._report.event_over_limit(command, started)
                return self._unavailable(message.form, _echo(command, ResultCode.UNAVAILABLE))
            receipt = self._receipt(body, content_type)
            return await self._tasks.run(self._take(request, message.form, command, receipt, started))
        except MessageError as error:
            return await self._refuse(error, body, content_type, sender, started)
        except ConnectionError:
            # The platform hung up. Nobody is left to get this; raised, it would be logged as an error of ours.
            return web.Response(status=400)
        except Exception as error:  # noqa: BLE001 - the last one who could answer it; it may have been an event
            self._report.unexpected += 1
            if (held_back := self._unexpected.admit()) is not None:
                _log.error("a request failed unexpectedly", held_back=held_back, exc_info=error)
            form = refusal_form(content_type, body[:64])
            return self._unavailable(form, QueryAnswer("", "", "", "", ResultCode.INTERNAL))

    async def _take(
        self, request: web.Request, form: MessageForm, event: Event, receipt: Receipt, started: float
    ) -> web.StreamResponse:
        """Store an event. Runs as a task of its own: a platform that hangs up has not taken its event back."""
        try:
            trace_id = await self._events.take(event, receipt, started, request.headers)
        except (NotFoundError, InvalidArgumentError) as error:
            result = ResultCode.UNKNOWN_TENANT if isinstance(error, NotFoundError) else ResultCode.MALFORMED_REQUEST
            await self._events.put_away(RejectedMessage(receipt, error.message, event.tenant_id.strip()), started)
            self._report.event(event, 400, started)
            return self._response(form, _echo(event, result, error.message), 400)
        except AxbridgeError as error:
            timed_out = isinstance(error, DeadlineExceededError)
            self._report.event(event, 503, started, detail=error.message)
            result = ResultCode.TIMED_OUT if timed_out else ResultCode.UNAVAILABLE
            return self._unavailable(form, _echo(event, result))
        self._report.event(event, 200, started, trace_id)
        return answer(request, b"", form.content_type)

    async def _turn_away(
        self, message: Message, body: bytes, content_type: str | None, sender: Sender, started: float
    ) -> web.Response:
        """Answer somebody who may not speak for the tenant, without a word about the tenant."""
        command, form = message.command, message.form
        reason = ""
        if isinstance(command, Event):
            reason = "vccId: the sender may not speak for this enterprise"
            if self._entrance.recognises(sender):
                rejected = RejectedMessage(self._receipt(body, content_type), reason, "")
                await self._tasks.run(self._events.put_away(rejected, started))
            self._report.event(command, 403, started)
        else:
            self._report.query(command, ResultCode.NOT_AUTHORIZED, started)
        said = QueryAnswer(
            command.session_id,
            command.tenant_id,
            command.call_id,
            command.seq,
            ResultCode.NOT_AUTHORIZED,
            reason=reason,
        )
        return NamelessResponse(
            body=encode_answer(form, said), status=403 if reason else 200, headers=_headers(form.content_type)
        )

    async def _refuse(
        self, error: MessageError, body: bytes, content_type: str | None, sender: Sender, started: float
    ) -> web.Response:
        # What can't be read whole may still be somebody's event.
        is_event = isinstance(error, InvalidEventError) or (isinstance(error, UnreadableBodyError) and b"event" in body)
        if is_event and self._entrance.recognises(sender):
            tenant_id = self._entrance.attributed(sender, error.answer.tenant_id.strip())
            message = RejectedMessage(self._receipt(body, content_type), error.message, tenant_id)
            await self._tasks.run(self._events.put_away(message, started))
        self._report.unreadable(error.http_status, error.message, started)
        response = self._response(error.form, error.answer, error.http_status)
        if error.http_status in (408, 413):
            # The rest of the body was not read, so the next request's beginning can't be found.
            response.force_close()
        return response

    def _unavailable(self, form: MessageForm, answer: QueryAnswer) -> web.Response:
        response = self._response(form, answer, 503)
        response.headers["Retry-After"] = str(self._limits.retry_after_seconds)
        return response

    def _response(self, form: MessageForm, answer: QueryAnswer, status: int) -> web.Response:
        body = encode_answer(form, answer, self._queries.style_of(answer.tenant_id))
        return NamelessResponse(body=body, status=status, headers=_headers(form.content_type))

    def _receipt(self, body: bytes, content_type: str | None) -> Receipt:
        # aiohttp gives bytes that are no UTF-8 as lone surrogates, which nothing after it can write.
        header = (content_type or "").encode("utf-8", "replace").decode()
        return Receipt(to_microseconds(self._clock.now()), body, header)


def _echo(event: Event, result: ResultCode, reason: str = "") -> QueryAnswer:
    """What is said to an event that was not taken."""
    return QueryAnswer(
        event.session_id, event.tenant_id, event.call_id, event.seq, result, event.charge_ext, reason=reason
    )


@lru_cache(maxsize=16)
def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": f"{content_type}; charset=UTF-8"}


class HealthHandler:
    """GET /healthz and /readyz."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def healthz(self, _request: web.Request) -> web.Response:
        """200 as long as this process can answer at all."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """200 when requests should be sent here, 503 with the reasons when not."""
        reasons = self._readiness.not_ready_reasons()
        content = {"ready": not reasons, "reasons": reasons, "degraded": self._readiness.degraded_reasons()}
        return web.json_response(content, status=503 if reasons else 200)
