"""The command line against services that are fakes, in this process, over real gRPC."""

import json
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from axbridge.events.v1 import (
    call_service_pb2_grpc,
    event_service_pb2_grpc,
    privacy_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from axbridge.routing.v1 import (
    binding_service_pb2_grpc,
    number_list_service_pb2_grpc,
    number_pool_service_pb2_grpc,
    routing_service_pb2_grpc,
    tenant_service_pb2_grpc,
)
from google.protobuf.message import Message
from grpc_status import rpc_status
from typer.testing import CliRunner, Result

from cli.main import app
from common.auth.unmasking import UNMASK_METADATA
from common.errors import AxbridgeError
from common.grpc_errors import to_status


@dataclass
class FakeServices:
    """Answers each method with what the test put there, and remembers what was asked.

    An answer is a message, an error to fail with, or a function of the request; of a stream an iterator of messages,
    which may raise the error that the stream breaks off with.
    """

    target: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)
    # Of the last call: whether it asked for whole numbers.
    was_unmasking: bool = False

    def answer(self, method: str, request: Message, context: grpc.ServicerContext) -> Message:
        self.requests.append(request)
        self.was_unmasking = UNMASK_METADATA in [(key, value) for key, value in context.invocation_metadata()]
        answer = self.answers[method]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, AxbridgeError):
            context.abort_with_status(rpc_status.to_status(to_status(answer)))
        made: Message = _broken_off(answer, context) if isinstance(answer, Iterator) else answer
        return made


def _broken_off(messages: Iterator[Message], context: grpc.ServicerContext) -> Any:
    try:
        yield from messages
    except AxbridgeError as error:
        context.abort_with_status(rpc_status.to_status(to_status(error)))


def _servicer(base: type[Any], fake: FakeServices) -> Any:
    def method(name: str) -> Callable[..., Message]:
        return lambda _self, request, context: fake.answer(name, request, context)

    names = [name for name in vars(base) if name[0].isupper()]
    return type(f"Fake{base.__name__}", (base,), {name: method(name) for name in names})()


@pytest.fixture
def services() -> Iterator[FakeServices]:
    fake = FakeServices()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    tenant_service_pb2_grpc.add_TenantServiceServicer_to_server(
        _servicer(tenant_service_pb2_grpc.TenantServiceServicer, fake), server
    )
    binding_service_pb2_grpc.add_BindingServiceServicer_to_server(
        _servicer(binding_service_pb2_grpc.BindingServiceServicer, fake), server
    )
    routing_service_pb2_grpc.add_RoutingServiceServicer_to_server(
        _servicer(routing_service_pb2_grpc.RoutingServiceServicer, fake), server
    )
    number_list_service_pb2_grpc.add_NumberListServiceServicer_to_server(
        _servicer(number_list_service_pb2_grpc.NumberListServiceServicer, fake), server
    )
    number_pool_service_pb2_grpc.add_NumberPoolServiceServicer_to_server(
        _servicer(number_pool_service_pb2_grpc.NumberPoolServiceServicer, fake), server
    )
    call_service_pb2_grpc.add_CallServiceServicer_to_server(
        _servicer(call_service_pb2_grpc.CallServiceServicer, fake), server
    )
    event_service_pb2_grpc.add_EventServiceServicer_to_server(
        _servicer(event_service_pb2_grpc.EventServiceServicer, fake), server
    )
    webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server(
        _servicer(webhook_service_pb2_grpc.WebhookServiceServicer, fake), server
    )
    privacy_service_pb2_grpc.add_PrivacyServiceServicer_to_server(
        _servicer(privacy_service_pb2_grpc.PrivacyServiceServicer, fake), server
    )
    fake.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield fake
    server.stop(None).wait()


class Cli:
    """Runs commands as a shell would."""

    def __init__(self, target: str) -> None:
        self._env = {
            "AXBRIDGE_ROUTING_TARGET": target,
            "AXBRIDGE_EVENTS_TARGET": target,
            "COLUMNS": "160",
            "NO_COLOR": "1",
        }

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=self._env, prog_name="axbridge")

    def ok(self, *arguments: str) -> str:
        """What a command printed that must succeed."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--json"))

    def error(self, *arguments: str, code: int = 1) -> str:
        """The one line on standard error of a command that must fail."""
        result = self.run(*arguments)
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        (line,) = result.stderr.splitlines()
        return line


@pytest.fixture
def cli(services: FakeServices) -> Cli:
    return Cli(services.target)
