"""The tables of the services against their contracts: no method without a rule, no rule without a method, and no field
of an answer of which nobody has said whether it can hold a number."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import axbridge
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

import event_service.access
import routing_service.access
from common.auth.grants import Scope
from common.auth.number_redaction import NUMBER_FIELDS, RAW_FIELDS, TEXT_FIELDS
from common.auth.requirements import Charge, Reach, Requirement, standard_requirements

TABLES: dict[str, dict[str, Requirement]] = {
    "axbridge.routing.v1": dict(routing_service.access.REQUIREMENTS),
    "axbridge.events.v1": dict(event_service.access.REQUIREMENTS),
}
# An export masks its text itself: event_service.export.
# What an answer may hold without a number of a person in it: ids, codes, words of ours, the enterprise's own numbers.
_SAFE = """
    access_number action actor binding_id busiest_number call_id call_result callback_url capabilities charge_ext chunk
    city_code client_id code codes consumer content_type decision_source default_region description
    different_session_ids direction display_name end end_reason end_reason_zh entry_id event_codes extension field file
    form_flags holidays key line local_mobile_prefixes media_server message_id message_type name next_page_token
    object_id pool query_result request_id result rule secret seq session_id start state tenant_id time_zone trace_id
    traceparent type url webhook_id xml_root
"""
SAFE = frozenset(_SAFE.split())


def contracts() -> Iterator[str]:
    root = next(iter(axbridge.__path__))
    for file in sorted(Path(root).rglob("*_pb2.py")):
        yield ".".join(["axbridge", *file.relative_to(root).with_suffix("").parts])


METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for module in contracts()
    for service in import_module(module).DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def rule(name: str) -> Requirement | None:
    package = name[1:].rpartition(".")[0]
    return TABLES[package].get(name)


def test_there_are_contracts() -> None:
    assert len(METHODS) >= 20


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_rule_that_fits_its_request(name: str) -> None:
    requirement = rule(name)
    assert requirement is not None, "nobody may call it: say in access.py what it asks for"
    assert requirement.reach in (Reach.NAMED_TENANTS, Reach.ALL_TENANTS), "every method of ours is about tenants"
    assert requirement.scopes
    # The paths lead to fields that exist.
    assert requirement.tenant_ids(GetMessageClass(METHODS[name].input_type)()) == []


@pytest.mark.parametrize("package", TABLES)
def test_every_rule_has_its_method(package: str) -> None:
    ours = {name for name in TABLES[package] if name.startswith("/axbridge.")}
    assert ours == {name for name in METHODS if name.startswith(f"/{package}.")}
    assert set(TABLES[package]) - ours == set(standard_requirements())


@pytest.mark.parametrize("name", METHODS)
def test_reading_is_no_way_to_write(name: str) -> None:
    requirement = rule(name)
    assert requirement is not None
    verb = METHODS[name].name
    if "SubscriptionService" in name:
        # A cursor over what may be read is the reader's own.
        return
    if verb.startswith(("Create", "Update", "Delete", "Add", "Remove", "Import", "Rotate", "Allocate", "Seek")):
        assert Scope.READ not in requirement.scopes
        assert requirement.charge is Charge.WRITE


@pytest.mark.parametrize("name", METHODS)
def test_every_text_of_an_answer_is_known_to_be_masked_or_safe(name: str) -> None:
    requirement = rule(name)
    assert requirement is not None
    if requirement.is_for_gateway:
        return
    unknown = set(texts(METHODS[name].output_type, set())) - NUMBER_FIELDS - TEXT_FIELDS - RAW_FIELDS - SAFE
    assert not unknown, "say in number_redaction.py, or here, whether these can hold a number of a person"


def texts(descriptor: Descriptor, seen: set[str]) -> Iterator[str]:
    if descriptor.full_name in seen or descriptor.full_name.startswith("google."):
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry and field.name in TEXT_FIELDS:
                continue
            yield from texts(field.message_type, seen)
        elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield field.name
