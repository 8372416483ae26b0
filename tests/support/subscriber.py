"""A consumer as a process of its own: writes each delivery into a file, with its time, then acknowledges it.

The time is of the clock that all processes of a machine share, so that the files of several consumers can be merged.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from axbridge_client import AxbridgeClient, Deliveries, Delivery

COMMAND = [sys.executable, "-m", "tests.support.subscriber"]


def line_of(delivery: Delivery) -> str:
    if delivery.event is not None:
        event = delivery.event.event
        content = [event.session_id, event.seq, event.code]
    else:
        assert delivery.call is not None
        content = [delivery.call.session_id, "", f"revision {delivery.call.revision}"]
    return json.dumps([time.monotonic_ns(), delivery.partition, delivery.position, *content])


async def consume(deliveries: Deliveries, path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        async for delivery in deliveries:
            file.write(line_of(delivery) + "\n")
            file.flush()


async def main(target: str, tenant_id: str, name: str, path: Path) -> None:
    async with AxbridgeClient(target) as client:
        await consume(client.subscribe(tenant_id, name, consumer=path.stem, max_unacknowledged=50), path)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
