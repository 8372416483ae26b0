"""Who may do what, on real processes: every method that they tell of by reflection, and keys and certificates that
change while calls go on."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from axbridge.routing.v1 import binding_pb2, binding_service_pb2, number_list_service_pb2, routing_service_pb2
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.number_list_service_pb2_grpc import NumberListServiceStub
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from common.auth.api_keys import ApiKey, generate_api_key
from common.grpc_errors import from_rpc_error
from tests.support.guards import ADMIN_SCOPES, ALL, GuardFiles, read
from tests.support.http import JSON, post
from tests.support.stack import TENANT, A, Stack

OTHER = "100002"
OPEN = {"/grpc.health.v1.Health/Check"}
FOR_ANYBODY_KNOWN = {
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}
FOR_THE_GATEWAY = {
    "/axbridge.routing.v1.RoutingService/ResolveBatch",
    "/axbridge.events.v1.EventService/PublishBatch",
    "/axbridge.events.v1.EventService/RecordDecisions",
    "/axbridge.events.v1.EventService/QuarantineMessages",
}
QUERY = (
    f'{{"sid":"s1","vccId":"{TENANT}","callId":"c1","seq":"1","method":"query",'
    f'"callingNumber":"{A}","accessNumber":"02566000001"}}'
).encode()


@dataclass
class Guarded:
    """A stack and the files that guard it."""

    stack: Stack
    files: GuardFiles
    stranger: ApiKey
    ended: ApiKey
    others: ApiKey
    every: ApiKey

    @property
    def addresses(self) -> tuple[str, str]:
        return self.stack.routing.address, self.stack.events.address


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    files = GuardFiles(directory)
    ended = files.add_key("ended", ALL, ADMIN_SCOPES, timedelta(seconds=-1))
    others = files.add_key("others", (OTHER,), ADMIN_SCOPES)
    every = files.add_key("every", ALL, (*ADMIN_SCOPES, "gateway"))
    with Stack(directory, files.environment(), files.connect(files.admin)) as stack:
        stack.add_tenant()
        stack.bind_axb()
        yield Guarded(stack, files, generate_api_key(), ended, others, every)


def methods(channel: grpc.Channel) -> list[MethodDescriptor]:
    """All methods of all services that a server tells of."""
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    services = [pool.FindServiceByName(name) for name in database.get_services()]
    assert len(services) >= 4
    return [method for service in services for method in service.methods]


def full_name(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def request_about(descriptor: Descriptor, tenant_id: str) -> Message:
    """A request that names the tenant wherever one can be named."""
    message = GetMessageClass(descriptor)()
    name_tenant(message, tenant_id)
    return message


def name_tenant(message: Message, tenant_id: str, depth: int = 0) -> bool:
    """Fill in the tenant's id wherever there is a field for it; whether there was one."""
    named = False
    for field in message.DESCRIPTOR.fields:
        if field.name in ("tenant_id", "tenant_ids"):
            if field.is_repeated:
                getattr(message, field.name).append(tenant_id)
            else:
                setattr(message, field.name, tenant_id)
            named = True
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth < 3 and not is_map_or_google(field):
            if field.is_repeated:
                item = getattr(message, field.name).add()
                if not name_tenant(item, tenant_id, depth + 1):
                    message.ClearField(field.name)
                else:
                    named = True
            else:
                inner = type(getattr(message, field.name))()
                if name_tenant(inner, tenant_id, depth + 1):
                    getattr(message, field.name).CopyFrom(inner)
                    named = True
    return named


def is_map_or_google(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return bool(kind.GetOptions().map_entry) or kind.full_name.startswith("google.")


def ask(channel: grpc.Channel, method: MethodDescriptor, tenant_id: str = TENANT) -> tuple[grpc.StatusCode, str]:
    """The status and the reason that a method answers with, whatever kind it is of."""
    call: Any = channel.unary_stream(full_name(method), request_serializer=lambda message: message.SerializeToString())
    answers = call(request_about(method.input_type, tenant_id), timeout=5, wait_for_ready=True)
    try:
        next(iter(answers), None)
    except grpc.RpcError as error:
        return error.code(), from_rpc_error(error).reason  # type: ignore[attr-defined]
    finally:
        answers.cancel()
    return grpc.StatusCode.OK, ""


def test_every_method_refuses_whoever_has_no_right(guarded: Guarded) -> None:
    """Unknown, expired, none at all, and for another tenant: on each method of each service, as they tell of them."""
    unauthenticated, denied = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
    seen = set()
    for address in guarded.addresses:
        connect = guarded.files.connect
        with connect(guarded.every)(address) as every:
            told = methods(every)
        for method in told:
            name = full_name(method)
            seen.add(name)
            if name in OPEN:
                with connect()(address) as nobody:
                    assert ask(nobody, method)[0] is grpc.StatusCode.OK
                continue
            for key, reason in (
                (None, "UNKNOWN_CREDENTIAL"),  # a certificate that nobody granted anything
                (guarded.stranger, "UNKNOWN_CREDENTIAL"),
                (guarded.ended, "EXPIRED_CREDENTIAL"),
            ):
                with connect(key)(address) as channel:
                    assert ask(channel, method) == (unauthenticated, reason), name
            with connect(guarded.others)(address) as channel:
                status, reason = ask(channel, method)
            if name in FOR_ANYBODY_KNOWN:
                assert status not in (denied, unauthenticated), name
            elif name in FOR_THE_GATEWAY:
                assert (status, reason) == (denied, "MISSING_SCOPE"), name
            else:
                assert (status, reason) == (denied, "WRONG_TENANT"), name
            with connect(guarded.every)(address) as channel:
                assert ask(channel, method)[0] not in (denied, unauthenticated), f"nobody at all may call {name}"
    assert {name for name in seen if name.startswith("/axbridge.")} >= FOR_THE_GATEWAY
    assert seen | {"/grpc.health.v1.Health/List"} >= OPEN | FOR_ANYBODY_KNOWN


def test_the_audit_log_names_who_showed_which_key(guarded: Guarded) -> None:
    """Also of writes that come as a stream, and where the request says another name."""
    writer = guarded.files.add_key("importer", (TENANT,), ("write",))
    pair = binding_pb2.Binding(
        kind=binding_pb2.BINDING_KIND_AXB, access_number="02566000007", a_number="13600001111", b_number="13700001111"
    )
    options = binding_service_pb2.ImportOptions(tenant_id=TENANT, request_id="admin")
    entry = number_list_service_pb2.NumberListEntry(
        tenant_id=TENANT,
        action=number_list_service_pb2.NUMBER_LIST_ACTION_BLOCK,
        pattern_type=number_list_service_pb2.NUMBER_PATTERN_TYPE_EXACT,
        pattern="13500001111",
    )
    with guarded.files.connect(writer)(guarded.stack.routing.address) as channel:
        lists = NumberListServiceStub(channel)
        block = number_list_service_pb2.CreateNumberListEntryRequest(entry=entry)

        def is_known() -> bool:
            try:
                return lists.CreateNumberListEntry(block, timeout=5) is not None
            except grpc.RpcError as error:
                assert from_rpc_error(error).reason == "UNKNOWN_CREDENTIAL"
                return False

        eventually(is_known)
        rows = binding_service_pb2.ImportBindingsRequest(options=options, bindings=[pair])
        (answer,) = BindingServiceStub(channel).ImportBindings(iter([rows]), timeout=5)
        assert not answer.results[0].error
    with guarded.files.connect(guarded.files.admin)(guarded.stack.routing.address) as channel:
        everything = binding_service_pb2.ListAuditEntriesRequest(tenant_id=TENANT)
        found = BindingServiceStub(channel).ListAuditEntries(everything, timeout=5).entries
    assert {(each.action, each.actor) for each in found} >= {
        ("tenant.create", "admin"),
        ("binding.create", "admin"),
        ("list.create", "importer"),
        ("binding.import", "importer"),
    }
    assert "anonymous" not in {each.actor for each in found}


def test_the_gateway_is_known_by_its_certificate_and_may_no_more_than_it_needs(guarded: Guarded) -> None:
    stack, gateway = guarded.stack, guarded.files.gateway
    status, _, body = post(stack.calls_url, QUERY, JSON)
    assert (status, b'"0000"' in body) == (200, True)
    credentials = grpc.ssl_channel_credentials(read(gateway.ca_file), read(gateway.key_file), read(gateway.cert_file))
    with grpc.secure_channel(stack.routing.address, credentials) as channel:
        stub = RoutingServiceStub(channel)
        assert stub.ResolveBatch(routing_service_pb2.ResolveBatchRequest(), timeout=5) is not None
        with pytest.raises(grpc.RpcError) as failure:
            stub.Explain(routing_service_pb2.ExplainRequest(tenant_id=TENANT), timeout=5)
        assert from_rpc_error(failure.value).reason == "MISSING_SCOPE"


def test_without_a_certificate_nobody_gets_to_show_a_key(guarded: Guarded) -> None:
    trusting = grpc.ssl_channel_credentials(guarded.files.authority.pem)
    for address in guarded.addresses:
        for channel in (grpc.secure_channel(address, trusting), grpc.insecure_channel(address)):
            with channel, pytest.raises(grpc.RpcError) as failure:
                health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert failure.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]


def test_keys_come_and_go_while_the_services_run(guarded: Guarded) -> None:
    key = guarded.files.add_key("newcomer", (TENANT,), ("read",))
    request = binding_service_pb2.ListBindingsRequest(tenant_id=TENANT)
    with guarded.files.connect(key)(guarded.stack.routing.address) as channel:
        list_bindings: Any = channel.unary_unary(
            "/axbridge.routing.v1.BindingService/ListBindings",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=binding_service_pb2.ListBindingsResponse.FromString,
        )

        def reason() -> str:
            try:
                shown = list_bindings(request, timeout=5).bindings[0]
            except grpc.RpcError as error:
                return from_rpc_error(error).reason
            assert (shown.a_number, shown.tenant_id) == ("+86138****1111", TENANT), "read does not unmask"
            return "served"

        eventually(lambda: reason() == "served")
        guarded.files.remove_key(key)
        eventually(lambda: reason() == "UNKNOWN_CREDENTIAL")


def test_certificates_are_renewed_without_a_failed_query(guarded: Guarded) -> None:
    failed: list[bytes] = []
    asked = 0
    done = threading.Event()

    def keep_asking() -> None:
        nonlocal asked
        while not done.is_set():
            status, _, body = post(guarded.stack.calls_url, QUERY, JSON)
            asked += 1
            if status != 200 or b'"0000"' not in body:
                failed.append(body)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        for _ in range(3):
            for files, name, uri in (
                (guarded.files.server, "services", ""),
                (guarded.files.gateway, "gateway", "spiffe://axbridge/gateway"),
            ):
                assert files.cert_file is not None
                guarded.files.authority.issue(files.cert_file.parent, name, uri=uri)
            time.sleep(2.5)
    finally:
        done.set()
        asking.join()
    assert asked > 50
    assert failed == []
    for service in guarded.stack.services:
        assert service.child.log().count("read again") >= 3, service.name


@pytest.mark.parametrize("name", ["routing_service", "event_service", "gateway"])
def test_an_unguarded_service_does_not_listen_beyond_this_machine(tmp_path: Path, name: str) -> None:
    stack = Stack(tmp_path)
    service = next(each for each in stack.services if each.name == name)
    service._env[next(key for key in service._env if key.endswith("_LISTEN"))] = "0.0.0.0:0"
    with pytest.raises(TimeoutError) as failure:
        service.start()
    assert "can be reached from other machines" in str(failure.value)
    assert "INSECURE=true" in str(failure.value)
    assert service.child.process.wait(5) == 1


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
