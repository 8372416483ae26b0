"""A binding for people."""

from axbridge.routing.v1 import binding_pb2

from cli.binding_options import schedule_text
from cli.output import OutputOptions, facts_table, free_text, local_time, person, print_message, stdout_console
from cli.profile_options import member_prompt_facts, profile_facts
from cli.values import enum_word

_OWNER_KINDS = (binding_pb2.BINDING_KIND_AX, binding_pb2.BINDING_KIND_AXE)


def kind_name(binding: binding_pb2.Binding) -> str:
    return binding_pb2.BindingKind.Name(binding.kind).removeprefix("BINDING_KIND_")


def relation(binding: binding_pb2.Binding, *, unmask: bool) -> str:
    """Who reaches whom, in one phrase."""
    members = [_member(each, unmask=unmask) for each in binding.targets]
    if binding.kind == binding_pb2.BINDING_KIND_AXG:
        strategy = enum_word(binding_pb2.HuntStrategy.Name(binding.hunt_strategy), "HUNT_STRATEGY_") or "sequential"
        most = f", at most {binding.max_members}" if binding.max_members else ""
        return f"anyone → {', '.join(members)} ({strategy}{most})"
    then = "".join(f", then {each}" for each in members)
    a = person(binding.a_number, unmask=unmask)
    if binding.kind in _OWNER_KINDS:
        back = "the last caller" if binding.callback_to_last_caller else ""
        back = person(binding.callback_number, unmask=unmask) if binding.callback_number else back
        return f"anyone → {a}{then}" + (f"; {a} → {back}" if back else "")
    arrow = "→" if binding.one_way else "↔"
    return f"{a} {arrow} {person(binding.b_number, unmask=unmask)}{then}"


def _member(target: binding_pb2.BindingTarget, *, unmask: bool) -> str:
    sees = f" (sees {person(target.display_number, unmask=unmask)})" if target.display_number else ""
    return person(target.number, unmask=unmask) + sees


def validity(binding: binding_pb2.Binding) -> str:
    """When it is in force; empty for always."""
    parts = []
    if binding.HasField("not_before"):
        parts.append(f"from {local_time(binding.not_before)}")
    if binding.HasField("expires_at"):
        parts.append(f"until {local_time(binding.expires_at)}")
    return " ".join(parts)


def show_binding(binding: binding_pb2.Binding, output: OutputOptions, heading: str) -> None:
    """Print a binding with everything that is set in it."""
    if output.as_json:
        print_message(binding, unmask=output.unmask)
        return
    display = binding.y_number or binding.display_number
    shown = display if display == binding.access_number else person(display, unmask=output.unmask)
    facts = {
        "binding": binding.binding_id,
        "tenant": binding.tenant_id,
        "access number": binding.access_number,
        "extension": binding.extension,
        "calls": relation(binding, unmask=output.unmask),
        "the callee sees": shown or f"{binding.access_number} (the access number)",
        "in force": validity(binding) or "always",
        "hours": schedule_text(binding.schedule) if binding.HasField("schedule") else "",
        **{name: free_text(text) for name, text in profile_facts(binding.profile).items()},
        **{name: free_text(text) for name, text in member_prompt_facts(binding.member_prompts).items()},
        "revision": str(binding.revision),
        "created": local_time(binding.created_at) if binding.HasField("created_at") else "",
        "changed": local_time(binding.updated_at) if binding.revision > 1 else "",
    }
    console = stdout_console()
    console.print(f"{kind_name(binding)} {heading}", style="bold")
    console.print(facts_table(facts))
