"""How many bindings a minute are imported: `python -m tests.bench.import_rate [--rows N] [--store sqlite|postgresql]`.

A routing service of its own, with the store as its users have it (fsync on), and rows over gRPC from this process.
"""

import argparse
import asyncio
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from common.grpc_channel import open_channel
from common.lifecycle import parse_announcement
from tests.support.postgres import PostgresServer

TENANT = "100001"
ROWS_AT_ONCE = 1000


def binding(row: int) -> binding_pb2.Binding:
    """A pair of its own; a hundred of them on each access number."""
    return binding_pb2.Binding(
        kind=binding_pb2.BINDING_KIND_AXB,
        access_number=f"025660{row // 100:05d}",
        a_number=f"138{row:08d}",
        b_number=f"139{row:08d}",
    )


async def requests(rows: int) -> AsyncIterator[binding_service_pb2.ImportBindingsRequest]:
    yield binding_service_pb2.ImportBindingsRequest(
        options=binding_service_pb2.ImportOptions(tenant_id=TENANT, request_id="bench")
    )
    for start in range(0, rows, ROWS_AT_ONCE):
        yield binding_service_pb2.ImportBindingsRequest(
            bindings=[binding(row) for row in range(start, min(start + ROWS_AT_ONCE, rows))]
        )


async def import_into(address: str, rows: int) -> float:
    """Import, and return the seconds that it took."""
    async with open_channel(address) as channel:
        tenant = tenant_pb2.Tenant(tenant_id=TENANT)
        await TenantServiceStub(channel).CreateTenant(tenant_service_pb2.CreateTenantRequest(tenant=tenant), timeout=10)
        started = time.monotonic()
        accepted = 0
        async for response in BindingServiceStub(channel).ImportBindings(requests(rows)):
            for result in response.results:
                if result.error:
                    raise SystemExit(f"row {result.row}: {result.error}")
                accepted += 1
        if accepted != rows:
            raise SystemExit(f"{accepted} of {rows} rows were accepted")
        return time.monotonic() - started


async def measure(rows: int, database_url: str, data_dir: Path) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "routing_service"),
        env={
            **os.environ,
            "AXBRIDGE_ROUTING_LISTEN": "127.0.0.1:0",
            "AXBRIDGE_ROUTING_DATA_DIR": str(data_dir),
            "AXBRIDGE_ROUTING_DATABASE_URL": database_url,
            "AXBRIDGE_ROUTING_MIGRATE_AT_START": "yes",
            "AXBRIDGE_ROUTING_LOG_LEVEL": "warning",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        announced = parse_announcement((await process.stdout.readline()).decode())
        if announced is None:
            raise SystemExit("the routing service did not start")
        return await import_into(announced[1], rows)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the rate of imports.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    arguments = parser.parse_args()
    for store in arguments.store or ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory() as folder:
            server = None
            url = ""
            if store == "postgresql":
                server = PostgresServer(Path(folder) / "postgres")
                server.start()
            try:
                if server is not None:
                    url = asyncio.run(server.create_database())
                seconds = asyncio.run(measure(arguments.rows, url, Path(folder)))
            finally:
                if server is not None:
                    server.stop()
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        rate = arguments.rows / seconds * 60
        print(f"{store}: {arguments.rows} rows in {seconds:.1f} s, {rate:,.0f} a minute, at most {most} MiB")


if __name__ == "__main__":
    main()
