"""Baseline (a): bare aiohttp that sends a fixed answer back, as fast as HTTP itself allows here.

`python -m tests.bench.baselines.echo PORT ANSWER_FILE`
"""

import asyncio
import sys
from pathlib import Path

import uvloop
from aiohttp import web

ANSWER_TYPE = "application/xml"


def application(answer: bytes) -> web.Application:
    async def echo(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=answer, content_type=ANSWER_TYPE, charset="UTF-8")

    app = web.Application()
    app.router.add_post("/v1/calls", echo)
    return app


def main() -> None:
    answer = Path(sys.argv[2]).read_bytes()
    uvloop.install()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    web.run_app(application(answer), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
