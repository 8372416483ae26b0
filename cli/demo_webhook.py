"""The demo's webhook receiver: a small HTTP server of the enterprise's own that believes nothing unsigned."""

import socket
from asyncio import Event
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from rich.text import Text

from axbridge_client.webhooks import WebhookVerificationError, verify

ShowText = Callable[[Text], None]


class DemoReceiver:
    """Takes messages on a free port of loopback, verifies each, and shows what came."""

    def __init__(self) -> None:
        # Taken now: the event service is told of the port when it starts.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._port: int = self._socket.getsockname()[1]
        self._secret = ""
        self._has_secret = Event()
        # Session and `seq` of each event, and the sessions whose record came.
        self.events: list[tuple[str, str]] = []
        self.refused = 0
        self._records: set[str] = set()
        self._changed = Event()
        self._last: tuple[dict[str, str], bytes] = ({}, b"")

    @property
    def url(self) -> str:
        """Where messages go."""
        return f"http://127.0.0.1:{self._port}/calls"

    def trust(self, secret: str) -> None:
        """Verify messages with this secret. What comes before is kept waiting."""
        self._secret = secret
        self._has_secret.set()

    @property
    def allowance(self) -> dict[str, str]:
        """Settings of the event service without which it would post nothing to its own machine."""
        prefix = "AXBRIDGE_EVENTS_WEBHOOKS"
        return {
            f"{prefix}_ALLOW_HTTP": "true",
            f"{prefix}_ALLOWED_NETWORKS": "127.0.0.1/32",
            f"{prefix}_ALLOWED_PORTS": str(self._port),
        }

    @asynccontextmanager
    async def listening(self, session_id: str, show: ShowText) -> AsyncIterator[None]:
        """Take messages while the context is open; one that is not genuine gets 401. Those of this call are shown: of
        the calls just before the webhook was added some may come, too."""

        async def take(request: web.Request) -> web.Response:
            headers, body = dict(request.headers), await request.read()
            await self._has_secret.wait()
            try:
                message = verify(self._secret, headers, body)
            except WebhookVerificationError as error:
                self.refused += 1
                show(Text(f"← POST /calls refused: {error}", style="red"))
                return web.Response(status=401)
            self._last = (headers, body)
            data = message["data"]
            if message["type"] == "call.event":
                self.events.append((data["session_id"], data["seq"]))
                what = f"{data['code']} {data['code_text']}"
            else:
                self._records.add(data["session_id"])
                what = f"the record, {data['state']}"
            signature = request.headers["webhook-signature"]
            said = f"← POST /calls {message['type']} {message['id'][:12]}… {signature[:16]}… verified: {what}"
            if data["session_id"] == session_id:
                show(Text(said, style="green"))
            self._changed.set()
            return web.Response(status=204)

        application = web.Application()
        application.router.add_post("/calls", take)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            yield
        finally:
            await runner.cleanup()

    async def wait_for_record(self, session_id: str) -> None:
        """Wait until the call's record has come; its events have come before it."""
        while session_id not in self._records:
            self._changed.clear()
            await self._changed.wait()

    def refuses_forgeries(self) -> bool:
        """Whether the last message would have been refused if a byte of it had been changed on the way."""
        headers, body = self._last
        try:
            verify(self._secret, headers, body.replace(b"1", b"2", 1))
        except WebhookVerificationError:
            return body != b""
        return False
