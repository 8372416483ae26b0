"""The three services as real processes, on free ports of loopback, with their data in a directory of the test's."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from axbridge.events.v1.call_service_pb2_grpc import CallServiceStub
from axbridge.events.v1.event_service_pb2_grpc import EventServiceStub
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, tenant_pb2, tenant_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub

from common.lifecycle import parse_announcement
from tests.support.http import get_status
from tests.support.processes import ChildProcess, free_port

START_SECONDS = 30.0
TENANT, ACCESS, A, B = "100001", "02566000001", "13800001111", "13900001111"


class Service:
    """One service process. It keeps its port over restarts, so that its peers find it again."""

    def __init__(self, name: str, prefix: str, directory: Path, env: dict[str, str]) -> None:
        self.name = name
        self.address = f"127.0.0.1:{free_port()}"
        self._env = {f"{prefix}_LISTEN": self.address, **env}
        self._log_path = directory / f"{name}.log"
        self._child: ChildProcess | None = None

    @property
    def child(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child

    @property
    def has_started(self) -> bool:
        """Whether it was started at all; it may have ended since."""
        return self._child is not None

    def use(self, env: Mapping[str, str]) -> None:
        """Have these variables, on top of its own, from the next start on."""
        self._env = {**self._env, **env}

    def start(self) -> None:
        """Start the process and wait for its announcement. Raises TimeoutError with its log."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the process, and wait for nothing."""
        self._log_path.write_bytes(b"")
        self._child = ChildProcess([sys.executable, "-m", self.name], self._log_path, env=self._env)

    def wait(self) -> None:
        """Wait until the process takes requests. Raises TimeoutError with its log."""
        deadline = time.monotonic() + START_SECONDS
        while not any(parse_announcement(line) for line in self.child.log().splitlines()):
            if not self.child.running or time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not start:\n{self.child.log()}")
            time.sleep(0.02)

    def stop(self) -> int:
        self.child.thaw()
        return self.child.terminate()


class Stack(AbstractContextManager["Stack"]):
    """gateway, routing_service and event_service. Extra environment for all of them in `env`."""

    def __init__(
        self,
        directory: Path,
        env: dict[str, str] | None = None,
        connect: Callable[[str], grpc.Channel] = grpc.insecure_channel,
    ) -> None:
        self._connect = connect
        extra = {"PYTHONUNBUFFERED": "1", **(env or {})}
        data = str(directory / "data")
        self.routing = Service(
            "routing_service", "AXBRIDGE_ROUTING", directory, {"AXBRIDGE_ROUTING_DATA_DIR": data, **extra}
        )
        self.events = Service(
            "event_service", "AXBRIDGE_EVENTS", directory, {"AXBRIDGE_EVENTS_DATA_DIR": data, **extra}
        )
        self.gateway = Service(
            "gateway",
            "AXBRIDGE_GATEWAY",
            directory,
            {
                "AXBRIDGE_GATEWAY_ROUTING_TARGET": self.routing.address,
                "AXBRIDGE_GATEWAY_EVENTS_TARGET": self.events.address,
                **extra,
            },
        )
        self._channels: list[grpc.Channel] = []

    @property
    def services(self) -> tuple[Service, Service, Service]:
        return (self.routing, self.events, self.gateway)

    @property
    def calls_url(self) -> str:
        return f"http://{self.gateway.address}/v1/calls"

    @property
    def cli_env(self) -> dict[str, str]:
        """What the command line needs to find this stack."""
        return {"AXBRIDGE_ROUTING_TARGET": self.routing.address, "AXBRIDGE_EVENTS_TARGET": self.events.address}

    def __enter__(self) -> Self:
        for service in self.services:
            service.launch()
        try:
            for service in self.services:
                service.wait()
            self.wait_until_ready()
        except TimeoutError:
            # Nobody calls __exit__ on what was not entered.
            for service in self.services:
                service.child.kill()
            raise
        routing, events = self._connect(self.routing.address), self._connect(self.events.address)
        self._channels = [routing, events]
        self.tenants = TenantServiceStub(routing)
        self.bindings = BindingServiceStub(routing)
        self.routes = RoutingServiceStub(routing)
        self.event_log = EventServiceStub(events)
        self.calls = CallServiceStub(events)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            channel.close()
        codes = {service.name: service.stop() for service in reversed(self.services) if service.child.running}
        if exc_type is None and any(codes.values()):
            logs = "\n".join(f"--- {service.name}\n{service.child.log()}" for service in self.services)
            raise AssertionError(f"exit codes {codes}\n{logs}")

    def wait_until_ready(self) -> None:
        """Wait until the gateway says that it can answer calls. Raises TimeoutError."""
        deadline = time.monotonic() + START_SECONDS
        while get_status(f"http://{self.gateway.address}/readyz") != 200:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the gateway is not ready:\n{self.gateway.child.log()}")
            time.sleep(0.02)

    def add_tenant(self, tenant_id: str = TENANT, **fields: object) -> tenant_pb2.Tenant:
        tenant = tenant_pb2.Tenant(tenant_id=tenant_id, **fields)  # type: ignore[arg-type]
        return self.tenants.CreateTenant(tenant_service_pb2.CreateTenantRequest(tenant=tenant), timeout=5).tenant

    def bind_axb(self, a: str = A, b: str = B, access: str = ACCESS, **fields: object) -> binding_pb2.Binding:
        binding = binding_pb2.Binding(
            tenant_id=TENANT,
            kind=binding_pb2.BINDING_KIND_AXB,
            access_number=access,
            a_number=a,
            b_number=b,
            **fields,  # type: ignore[arg-type]
        )
        return self.create(binding)

    def create(self, binding: binding_pb2.Binding) -> binding_pb2.Binding:
        request = binding_service_pb2.CreateBindingRequest(binding=binding)
        return self.bindings.CreateBinding(request, timeout=5).binding
