"""`axbridge explain`: why a call goes where it goes."""

from typing import Annotated

import typer
from axbridge.routing.v1 import decision_pb2, routing_service_pb2
from rich.text import Text
from rich.tree import Tree

from cli.bind import AccessNumber, Tenant
from cli.clients import RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import (
    OutputOptions,
    free_text,
    is_access_number,
    local_time,
    person,
    print_message,
    printable,
    stdout_console,
)
from cli.values import enum_word, parse_moment, to_timestamp
from common.protocol_codes import ResultCode

_OUTCOMES = {
    routing_service_pb2.RULE_OUTCOME_PASSED: ("green", "✓", "passed"),
    routing_service_pb2.RULE_OUTCOME_DECIDED: ("bold cyan", "➜", "decided"),
    routing_service_pb2.RULE_OUTCOME_REJECTED: ("yellow", "✗", "rejected"),
}

# What the platform is sent for each outcome; the contract gives the codes beside the names.
RESULT_CODES = {
    decision_pb2.ROUTE_RESULT_ROUTED: ResultCode.SUCCESS,
    decision_pb2.ROUTE_RESULT_UNKNOWN_TENANT: ResultCode.UNKNOWN_TENANT,
    decision_pb2.ROUTE_RESULT_UNKNOWN_ACCESS_NUMBER: ResultCode.UNKNOWN_ACCESS_NUMBER,
    decision_pb2.ROUTE_RESULT_NO_BINDING: ResultCode.NO_BINDING,
    decision_pb2.ROUTE_RESULT_CALLER_BLOCKED: ResultCode.CALLER_BLOCKED,
    decision_pb2.ROUTE_RESULT_NOT_IN_FORCE: ResultCode.NOT_IN_FORCE,
    decision_pb2.ROUTE_RESULT_INVALID_QUERY: ResultCode.MALFORMED_REQUEST,
    decision_pb2.ROUTE_RESULT_TIMED_OUT: ResultCode.TIMED_OUT,
    decision_pb2.ROUTE_RESULT_UNAVAILABLE: ResultCode.UNAVAILABLE,
    decision_pb2.ROUTE_RESULT_INTERNAL: ResultCode.INTERNAL,
    decision_pb2.ROUTE_RESULT_NOT_AUTHORIZED: ResultCode.NOT_AUTHORIZED,
}


@spread_options
def explain(
    tenant: Tenant,
    access: AccessNumber,
    a: Annotated[str, typer.Option("--a", help="The calling number.")],
    target: RoutingTarget,
    output: OutputOptions,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Decide for this time instead of now.")] = None,
    sid: Annotated[str, typer.Option(help="The call's sid, where a choice within a group matters.")] = "",
) -> None:
    """Show whom a call would reach, and every rule that was considered for it."""
    request = routing_service_pb2.ExplainRequest(
        tenant_id=tenant,
        calling_number=a,
        access_number=access,
        session_id=sid,
        at=to_timestamp(parse_moment(at, "--at")) if at is not None else None,
    )
    with routing_client(target) as client:
        answer = client.caller.call(client.routing.Explain, request)
    if output.as_json:
        print_message(answer, unmask=output.unmask)
        return
    stdout_console().print(_tree(tenant, answer, unmask=output.unmask))


def _tree(tenant: str, answer: routing_service_pb2.ExplainResponse, *, unmask: bool) -> Tree:
    caller = person(answer.calling_number, unmask=unmask)
    moment = f" at {local_time(answer.at)}" if answer.HasField("at") else ""
    asked = printable(f"{caller} calls {answer.access_number}")
    tree = Tree(Text.assemble((asked, "bold"), printable(f" of tenant {tenant}{moment}")))
    rules = tree.add(f"{len(answer.considered)} rules considered")
    for rule in answer.considered:
        style, mark, word = _OUTCOMES.get(rule.outcome, ("red", "?", "with an unknown outcome"))
        about = f" {rule.binding_id}" if rule.binding_id else ""
        rules.add(
            Text.assemble(
                (printable(f"{mark} {rule.rule}"), style),
                f" {word}",
                (printable(about), "dim"),
                f": {printable(free_text(rule.detail))}",
            )
        )
    _add_decision(tree, answer.decision, answer.access_number, unmask=unmask)
    return tree


def _add_decision(tree: Tree, decision: decision_pb2.RouteDecision, access_number: str, *, unmask: bool) -> None:
    code = RESULT_CODES.get(decision.result)
    routed = decision.result == decision_pb2.ROUTE_RESULT_ROUTED
    said = f"{code.text} {code.english}" if code is not None else decision_pb2.RouteResult.Name(decision.result)
    style = "bold green" if routed else "bold red"
    branch = tree.add(Text.assemble((said, style), f": {printable(free_text(decision.reason))}"))
    for member in decision.members:
        display = member.display_number
        seen = display if is_access_number(display, access_number) else person(display, unmask=unmask)
        branch.add(printable(f"calls {person(member.number, unmask=unmask)}, who sees {seen}"))
    if decision.binding_id:
        direction = enum_word(decision_pb2.CallDirection.Name(decision.direction), "CALL_DIRECTION_")
        source = enum_word(decision_pb2.DecisionSource.Name(decision.decision_source), "DECISION_SOURCE_")
        facts = [
            f"binding {decision.binding_id} revision {decision.binding_revision}",
            *([direction.replace("-", " ")] if direction else []),
            *([f"read from the {source}"] if source else []),
        ]
        branch.add(printable(", ".join(facts)))
