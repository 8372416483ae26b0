"""Baseline (c): the same query answered by a small service as a competent user would write it in an afternoon.

FastAPI on uvicorn with uvloop, xmltodict both ways, one Redis GET per query, in one process and with no gRPC: it has no
batches, no budget, no fence, no decision log and no checks.

`python -m tests.bench.baselines.handwritten PORT REDIS_URL`
"""

import json
import sys

import redis.asyncio as redis
import uvicorn
import xmltodict
from fastapi import FastAPI, Request, Response


def application(redis_url: str) -> FastAPI:
    app = FastAPI()
    pool = redis.BlockingConnectionPool.from_url(redis_url, max_connections=64, timeout=None)
    cache = redis.Redis(connection_pool=pool)

    @app.post("/v1/calls")
    async def query(request: Request) -> Response:
        body = await request.body()
        is_json = request.headers.get("content-type", "").startswith("application/json")
        fields = json.loads(body) if is_json else xmltodict.parse(body)["request"]
        found = await cache.get(f"binding:{fields['vccId']}:{fields['accessNumber']}:{fields['callingNumber']}")
        answer = {name: fields.get(name, "") for name in ("sid", "vccId", "callId", "seq")}
        if found is None:
            answer |= {"chargeExt": "", "result": "1004"}
        else:
            binding = json.loads(found)
            member = {"number": binding["called"], "type": "1", "displayNumber": fields["accessNumber"]}
            answer |= {"chargeExt": "", "result": "0000", "userList": {"user": [member]}, **binding["profile"]}
        if is_json:
            return Response(json.dumps(answer), media_type="application/json")
        return Response(xmltodict.unparse({"response": answer}), media_type="application/xml")

    return app


def main() -> None:
    uvicorn.run(
        application(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        loop="uvloop",
    )


if __name__ == "__main__":
    main()
