"""Random steps with two tenants' credentials, over every entrance: does either ever see or touch what is the other's?

    .venv/bin/python -m tests.soak.tenant_crossing --steps 100000

Each step is one call by one of two tenants, about itself or about the other one, with ids, tokens and page tokens of
either. What it comes back with, errors included, must hold nothing of the other tenant's; and what a model of each
tenant's bindings says must be what is there.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from axbridge.events.v1 import call_service_pb2 as calls
from axbridge.events.v1 import event_pb2
from axbridge.events.v1 import event_service_pb2 as events
from axbridge.events.v1.call_service_pb2_grpc import CallServiceStub
from axbridge.events.v1.event_service_pb2_grpc import EventServiceStub
from axbridge.routing.v1 import binding_pb2, call_profile_pb2, tenant_pb2
from axbridge.routing.v1 import binding_service_pb2 as bindings
from axbridge.routing.v1 import routing_service_pb2 as routing
from axbridge.routing.v1 import tenant_service_pb2 as tenants
from axbridge.routing.v1.binding_service_pb2_grpc import BindingServiceStub
from axbridge.routing.v1.routing_service_pb2_grpc import RoutingServiceStub
from axbridge.routing.v1.tenant_service_pb2_grpc import TenantServiceStub
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from common.errors import DeadlineExceededError, PermissionDeniedError, UnavailableError, UnexpectedError
from common.grpc_errors import from_rpc_error
from gateway.platform_access import generate_token, token_hash
from tests.support.guards import ADMIN_SCOPES, GuardFiles
from tests.support.http import JSON, post
from tests.support.stack import Stack

CHECK_EVERY = 500
# Longer than any write goes on that nobody waits for any more.
SETTLE_SECONDS = 6.0
# Both tenants use the same access numbers: what the one has bound must not show through to the other.
ACCESS_NUMBERS = [f"0256600{number:04}" for number in range(8)]


class CrossingError(AssertionError):
    """A tenant saw or touched what is another's."""


@dataclass
class Tenant:
    """One of the two: what it shows, what only it may see, and what it is known to have."""

    tenant_id: str
    marker: str
    numbers: list[str]
    token: str = field(default_factory=generate_token)
    binding_ids: set[str] = field(default_factory=set)
    page_tokens: list[str] = field(default_factory=lambda: [""])
    session_ids: list[str] = field(default_factory=lambda: ["s"])
    message_ids: list[int] = field(default_factory=lambda: [1])
    stubs: dict[str, Any] = field(default_factory=dict)


class Crossing:
    """The run. Raises CrossingError at the first crossing."""

    def __init__(self, stack: Stack, both: tuple[Tenant, Tenant], seed: int) -> None:
        self._stack = stack
        self._both = both
        self._random = random.Random(seed)
        self.outcomes: Counter[str] = Counter()
        self._steps: list[Callable[[Tenant, Tenant], None]] = [
            self._create,
            self._get_binding,
            self._list_bindings,
            self._update,
            self._delete,
            self._explain,
            self._tenant,
            self._resolve,
            self._calls,
            self._quarantine,
            self._publish,
            self._platform_query,
            self._platform_event,
        ]

    def run(self, steps: int) -> None:
        for number in range(1, steps + 1):
            actor = self._random.choice(self._both)
            # Half of all steps are about the other one.
            about = self._random.choice(self._both)
            self._random.choice(self._steps)(actor, about)
            if number % CHECK_EVERY == 0 or number == steps:
                self.check_model()

    def check_model(self) -> None:
        """What each tenant has is what its own steps made."""
        for tenant in self._both:
            listed = self._listed(tenant)
            if listed != tenant.binding_ids:
                raise CrossingError(f"{tenant.tenant_id} has {listed ^ tenant.binding_ids} too many or too few")

    def _listed(self, tenant: Tenant) -> set[str]:
        """The bindings that a tenant has, as an operator sees them."""
        listed: set[str] = set()
        token = ""
        while True:
            request = bindings.ListBindingsRequest(tenant_id=tenant.tenant_id, page_size=1000, page_token=token)
            page = patiently(lambda request=request: self._stack.bindings.ListBindings(request, timeout=30))
            listed |= {binding.binding_id for binding in page.bindings}
            token = page.next_page_token
            if not token:
                return listed

    def _call(self, actor: Tenant, about: Tenant, name: str, request: Message) -> Any:
        """Make a call as `actor` about `about`. Its answer, None when it was refused."""
        try:
            answer = actor.stubs[name](request, timeout=30)
        except grpc.RpcError as error:
            translated = from_rpc_error(error)
            said = f"{translated.message} {translated.metadata}".encode()
            self._inspect(actor, said, f"error of {name}", request.SerializeToString())
            self.outcomes[f"{name} {type(translated).__name__}"] += 1
            if about is not actor and not isinstance(translated, PermissionDeniedError):
                raise CrossingError(f"{name} about another tenant got as far as {translated!r}") from error
            if isinstance(translated, UnavailableError | DeadlineExceededError):
                # Done or not, on a busy machine: what it was about is the actor's own, and is looked at.
                time.sleep(SETTLE_SECONDS)
                actor.binding_ids = self._listed(actor)
            elif isinstance(translated, UnexpectedError):
                raise CrossingError(f"{name} failed: {translated!r}") from error
            return None
        self.outcomes[f"{name} OK"] += 1
        if about is not actor:
            raise CrossingError(f"{name} about another tenant was served")
        self._inspect(actor, answer.SerializeToString(), f"answer of {name}", request.SerializeToString())
        return answer

    def _inspect(self, actor: Tenant, content: bytes, where: str, sent: bytes = b"") -> None:
        """Look for what is another's, but for what was in the request itself."""
        for other in self._both:
            if other is actor:
                continue
            secrets = [other.marker, *(number[-10:] for number in other.numbers), *other.binding_ids]
            found = [secret for secret in secrets if secret.encode() in content and secret.encode() not in sent]
            if found:
                raise CrossingError(f"{where} to {actor.tenant_id} holds {found} of {other.tenant_id}")

    def _some_binding(self) -> str:
        known = [binding_id for tenant in self._both for binding_id in tenant.binding_ids]
        return self._random.choice([*known, "no-such-binding"])

    def _create(self, actor: Tenant, about: Tenant) -> None:
        a, b = self._random.sample(actor.numbers, 2)
        binding = binding_pb2.Binding(
            tenant_id=about.tenant_id,
            kind=binding_pb2.BINDING_KIND_AXB,
            access_number=self._random.choice(ACCESS_NUMBERS),
            a_number=a,
            b_number=b,
            profile=call_profile_pb2.CallProfile(user_data=actor.marker),
        )
        answer = self._call(actor, about, "CreateBinding", bindings.CreateBindingRequest(binding=binding))
        if answer is not None:
            actor.binding_ids.add(answer.binding.binding_id)

    def _get_binding(self, actor: Tenant, about: Tenant) -> None:
        binding_id = self._some_binding()
        request = bindings.GetBindingRequest(tenant_id=about.tenant_id, binding_id=binding_id)
        answer = self._call(actor, about, "GetBinding", request)
        if answer is not None and binding_id not in actor.binding_ids:
            raise CrossingError(f"{actor.tenant_id} read {binding_id}")

    def _list_bindings(self, actor: Tenant, about: Tenant) -> None:
        request = bindings.ListBindingsRequest(
            tenant_id=about.tenant_id,
            access_number=self._random.choice(["", *ACCESS_NUMBERS]),
            number=self._random.choice(["", *self._random.choice(self._both).numbers]),
            page_size=self._random.choice([1, 3, 100]),
            page_token=self._page_token(),
        )
        answer = self._call(actor, about, "ListBindings", request)
        if answer is not None and answer.next_page_token:
            actor.page_tokens = [*actor.page_tokens[-20:], answer.next_page_token]

    def _page_token(self) -> str:
        """None, mostly: a token goes with one question only, and those of either tenant are tried."""
        if self._random.random() < 0.6:
            return ""
        return self._random.choice(self._random.choice(self._both).page_tokens)

    def _update(self, actor: Tenant, about: Tenant) -> None:
        binding_id = self._some_binding()
        binding = binding_pb2.Binding(
            tenant_id=about.tenant_id,
            binding_id=binding_id,
            profile=call_profile_pb2.CallProfile(user_data=f"{actor.marker} {self._random.random()}"),
        )
        mask = FieldMask(paths=["profile"])
        request = bindings.UpdateBindingRequest(binding=binding, update_mask=mask)
        answer = self._call(actor, about, "UpdateBinding", request)
        if answer is not None and binding_id not in actor.binding_ids:
            raise CrossingError(f"{actor.tenant_id} changed {binding_id}")

    def _delete(self, actor: Tenant, about: Tenant) -> None:
        binding_id = self._some_binding()
        request = bindings.DeleteBindingRequest(tenant_id=about.tenant_id, binding_id=binding_id)
        answer = self._call(actor, about, "DeleteBinding", request)
        if answer is not None:
            if binding_id not in actor.binding_ids:
                raise CrossingError(f"{actor.tenant_id} deleted {binding_id}")
            actor.binding_ids.remove(binding_id)

    def _explain(self, actor: Tenant, about: Tenant) -> None:
        request = routing.ExplainRequest(
            tenant_id=about.tenant_id,
            calling_number=self._random.choice(actor.numbers),
            access_number=self._random.choice(ACCESS_NUMBERS),
        )
        self._call(actor, about, "Explain", request)

    def _resolve(self, actor: Tenant, about: Tenant) -> None:
        query = routing.ResolveQuery(tenant_id=about.tenant_id, session_id="s", calling_number="1", access_number="2")
        self._never(actor, "ResolveBatch", routing.ResolveBatchRequest(queries=[query]))

    def _tenant(self, actor: Tenant, about: Tenant) -> None:
        if self._random.random() < 0.3:
            self._never(actor, "ListTenants", tenants.ListTenantsRequest())
        elif self._random.random() < 0.5:
            self._call(actor, about, "GetTenant", tenants.GetTenantRequest(tenant_id=about.tenant_id))
        else:
            tenant = tenant_pb2.Tenant(tenant_id=about.tenant_id, display_name=actor.marker)
            mask = FieldMask(paths=["display_name"])
            self._call(actor, about, "UpdateTenant", tenants.UpdateTenantRequest(tenant=tenant, update_mask=mask))

    def _calls(self, actor: Tenant, about: Tenant) -> None:
        session_id = self._random.choice(self._random.choice(self._both).session_ids)
        kind = self._random.randrange(3)
        if kind == 0:
            request: Message = calls.GetCallRequest(tenant_id=about.tenant_id, session_id=session_id)
            self._call(actor, about, "GetCall", request)
        elif kind == 1:
            request = calls.ListCallEventsRequest(tenant_id=about.tenant_id, session_id=session_id)
            self._call(actor, about, "ListCallEvents", request)
        else:
            number = self._random.choice(["", *self._random.choice(self._both).numbers])
            request = calls.ListCallsRequest(
                tenant_id=about.tenant_id, number=number, page_size=5, page_token=self._page_token()
            )
            answer = self._call(actor, about, "ListCalls", request)
            if answer is not None and answer.next_page_token:
                actor.page_tokens = [*actor.page_tokens[-20:], answer.next_page_token]

    def _quarantine(self, actor: Tenant, about: Tenant) -> None:
        kind = self._random.randrange(3)
        if kind == 0:
            self._never(actor, "ListQuarantined", events.ListQuarantinedRequest())
        elif kind == 1:
            ids = self._random.choice(self._both).message_ids
            self._never(actor, "DeleteQuarantined", events.DeleteQuarantinedRequest(message_ids=ids))
        else:
            request = events.ListQuarantinedRequest(tenant_id=about.tenant_id, page_size=5)
            answer = self._call(actor, about, "ListQuarantined", request)
            if answer is not None and answer.messages:
                actor.message_ids = [message.message_id for message in answer.messages]

    def _publish(self, actor: Tenant, about: Tenant) -> None:
        event = event_pb2.CallEvent(tenant_id=about.tenant_id, session_id="s", code="15", received_at_us=1)
        self._never(actor, "PublishBatch", events.PublishBatchRequest(events=[event]))

    def _never(self, actor: Tenant, name: str, request: Message) -> None:
        """A call that neither may make about anybody."""
        try:
            actor.stubs[name](request, timeout=30)
        except grpc.RpcError as error:
            translated = from_rpc_error(error)
            if not isinstance(translated, PermissionDeniedError):
                raise CrossingError(f"{name} got as far as {translated!r}") from error
            self.outcomes[f"{name} refused"] += 1
            return
        raise CrossingError(f"{name} was served")

    def _platform_query(self, actor: Tenant, about: Tenant) -> None:
        """The platform with the actor's token, asking about a tenant."""
        fields = self._message(about, "query")
        fields |= {"callingNumber": self._random.choice(actor.numbers), "accessNumber": ACCESS_NUMBERS[0]}
        status, _, body = post(f"{self._stack.calls_url}/{actor.token}", json.dumps(fields).encode(), JSON)
        self._inspect(actor, body, "answer to a query")
        result = json.loads(body)["result"]
        self.outcomes[f"query {result}"] += 1
        if status != 200 or (result == "1007") is (about is actor):
            raise CrossingError(f"a query of {about.tenant_id} by {actor.tenant_id}'s platform: {status} {result}")

    def _platform_event(self, actor: Tenant, about: Tenant) -> None:
        fields = self._message(about, "event") | {"code": "15", "chargeExt": "1", "callData": actor.marker}
        fields["userList"] = {"user": [{"number": self._random.choice(actor.numbers), "type": "1", "state": "2"}]}
        status, _, body = post(f"{self._stack.calls_url}/{actor.token}", json.dumps(fields).encode(), JSON)
        self._inspect(actor, body, "answer to an event")
        self.outcomes[f"event {status}"] += 1
        if status not in ((200, 503) if about is actor else (403,)):
            raise CrossingError(f"an event of {about.tenant_id} by {actor.tenant_id}'s platform: {status}")
        if status == 200:
            actor.session_ids = [*actor.session_ids[-50:], str(fields["sid"])]

    def _message(self, about: Tenant, method: str) -> dict[str, Any]:
        sid = f"s{self._random.randrange(1_000_000)}"
        blank = self._random.choice(["", "", " ", "\t"])
        return {"sid": sid, "vccId": blank + about.tenant_id + blank, "callId": "c", "seq": "1", "method": method}


def patiently(call: Callable[[], Any]) -> Any:
    """What a call returns, tried again while the service is too busy."""
    for _ in range(20):
        try:
            return call()
        except grpc.RpcError as error:
            if not isinstance(from_rpc_error(error), UnavailableError | DeadlineExceededError):
                raise
            time.sleep(SETTLE_SECONDS)
    raise TimeoutError("the services are too busy")


def make_tenants() -> tuple[Tenant, Tenant]:
    return (
        Tenant("100001", "marker-of-the-first", [f"1380000{number:04}" for number in range(20)]),
        Tenant("100002", "marker-of-the-second", [f"1390000{number:04}" for number in range(20)]),
    )


def play(directory: Path, steps: int, seed: int) -> Crossing:
    """Start a guarded stack and run. Raises CrossingError."""
    directory.mkdir(parents=True, exist_ok=True)
    files = GuardFiles(directory)
    both = make_tenants()
    keys = [files.add_key(tenant.tenant_id, (tenant.tenant_id,), ADMIN_SCOPES) for tenant in both]
    access = directory / "access.toml"
    access.write_text(
        "".join(f'[[tenant]]\nid = "{each.tenant_id}"\ntokens = ["{token_hash(each.token)}"]\n' for each in both)
    )
    env = files.environment() | {
        "AXBRIDGE_GATEWAY_ACCESS_FILE": str(access),
        # What is tried here is not the rates.
        **{f"AXBRIDGE_{name}_TENANT_READS_PER_SECOND": "0" for name in ("ROUTING", "EVENTS")},
        **{f"AXBRIDGE_{name}_TENANT_WRITES_PER_SECOND": "0" for name in ("ROUTING", "EVENTS")},
    }
    with Stack(directory, env, files.connect(files.admin)) as stack:
        channels = []
        for tenant, key in zip(both, keys, strict=True):
            stack.add_tenant(tenant.tenant_id, display_name=tenant.marker)
            connect = files.connect(key)
            routing_channel, events_channel = connect(stack.routing.address), connect(stack.events.address)
            channels += [routing_channel, events_channel]
            for stub in (
                *(kind(routing_channel) for kind in (BindingServiceStub, RoutingServiceStub, TenantServiceStub)),
                *(kind(events_channel) for kind in (CallServiceStub, EventServiceStub)),
            ):
                tenant.stubs |= vars(stub)
        crossing = Crossing(stack, both, seed)
        try:
            crossing.run(steps)
        finally:
            for channel in channels:
                channel.close()
        return crossing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="axbridge-crossing-") as folder:
        crossing = play(Path(folder), options.steps, options.seed)
    for outcome, count in sorted(crossing.outcomes.items()):
        print(f"{count:8} {outcome}")
    print(f"{options.steps} steps, seed {options.seed}, {time.monotonic() - began:.0f} s: 0 crossings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
