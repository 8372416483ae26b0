"""Errors as people see them: one line on standard error that says what to do, and an exit code.

1: what was asked for failed. 2: the command line was wrong. 130: interrupted.
"""

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import grpc
import typer
from typer.core import TyperGroup

from cli.output import printable
from common.errors import (
    AbortedError,
    AlreadyExistsError,
    AxbridgeError,
    DeadlineExceededError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnexpectedError,
)
from common.grpc_errors import from_rpc_error

# Where the command line calls a field of the contracts by another name than `--field-name`.
_OPTIONS = {
    "tenant_id": "--tenant",
    "binding_id": "BINDING_ID",
    "webhook_id": "WEBHOOK_ID",
    "url": "URL",
    "message_types": "--message",
    "event_codes": "--code",
    "keep_previous": "--keep-previous",
    "session_id": "SID",
    "access_number": "--access",
    "a_number": "--a",
    "b_number": "--b",
    "callback_number": "--callback",
    "calling_number": "--a",
    "display_number": "--display",
    "default_region": "--region",
    "y_number": "--y",
    "targets": "--member",
    "hunt_strategy": "--strategy",
    "callback_to_last_caller": "--last-caller",
    "hours": "--schedule",
    "holidays": "--holiday",
    "foreign_display_numbers_allowed": "--foreign-display",
    "pattern": "NUMBER",
    "dialing_format": "--dialing",
    "max_duration_seconds": "--max-duration",
    "warning_duration_seconds": "--warning-duration",
    "connection_type": "--conn-type",
    "callback_url": "--callback-url",
    "xml_root": "--xml-root",
    "json_list_style": "--json-list",
    "prompt_style": "--prompt-style",
    "failure_prompts": "--failure-prompt",
    "local_mobile_prefixes": "--local-prefix",
    "page_size": "--limit",
    "started_from": "--from",
    "started_before": "--before",
    "from": "--from",
    "before": "--before",
    "update_mask": "the options",
    "expected_revision": "--if-revision",
    "object_id": "--object",
    "after_position": "--after",
    "city_code": "--city",
    "capabilities": "--capability",
    "targets.number": "--member",
    "targets.display_number": "--member",
    "access_numbers": "NUMBER",
    "access_numbers.number": "NUMBER",
    "numbers": "NUMBER",
    "filter.numbers": "--number",
    "filter.codes": "--code",
}
_PLAIN_OPTIONS = frozenset(
    {
        "charge_ext",
        "client_id",
        "caller_prompt",
        "user_data",
        "record_type",
        "warning_prompt",
        "ringback_mode",
        "ringback_prompt",
        "answer_prompt",
        "disconnect_prompt",
        "fail_prompt",
        "fallback_number",
        "time_zone",
        "max_members",
        "max_in_flight",
        "max_per_second",
        "timeout_ms",
        "description",
        "extension",
        "note",
        "not_before",
        "expires_at",
        "one_way",
        "state",
        "number",
        "pool",
        "cool_down",
        "window",
        "atomic",
        "dry_run",
        "request_id",
    }
)


def option_for(field: str) -> str:
    """What the user typed for a field of the contracts (`binding.profile.record_type` → `--record-type`).

    What a file says (`proposal.bindings[0].kind`, `queries[1].at`) has the contract's names.
    """
    if field.startswith(_IN_FILES):
        return field
    names = [part.partition("[")[0] for part in field.split(".")]
    for place, name in reversed([*enumerate(names)]):
        above = names[place - 1] if place else ""
        if f"{above}.{name}" in _OPTIONS:
            return _OPTIONS[f"{above}.{name}"]
        if name in _OPTIONS:
            return _OPTIONS[name]
        if name in _PLAIN_OPTIONS:
            return "--" + name.replace("_", "-")
    return field


def one_line(error: AxbridgeError) -> str:
    """The error in one line, with what to do about it."""
    message = " ".join(error.message.split()).rstrip(".")
    # The services name fields as the contracts do, sometimes in front of the message as well.
    field, separator, rest = message.partition(": ")
    named = error.metadata.get("field", "")
    if separator and (field == named or (not named and _FIELD.fullmatch(field))):
        message = f"{option_for(field)}: {rest}"
    elif named:
        message = f"{option_for(named)}: {message}"
    advice = _ADVICE_BY_REASON.get(error.reason) or _ADVICE.get(type(error))
    if isinstance(error, AlreadyExistsError) and (binding_id := error.metadata.get("binding_id")):
        advice = f"`axbridge bindings show {binding_id} --tenant …` shows it, `bindings delete` ends it"
    return f"{message}; {advice}" if advice else message


_FIELD = re.compile(r"[a-z_]+(\[\d+\])?(\.[a-z_]+(\[\d+\])?)+")
_IN_FILES = ("proposal.", "queries[")
_ADVICE_BY_REASON = {
    "MISSING_CREDENTIAL": "show a key with `axbridge --api-key-file FILE …` or AXBRIDGE_API_KEY_FILE",
    "UNKNOWN_CREDENTIAL": "`axbridge keys check FILE --key-file …` tells whether a credentials file knows the key",
    "MISSING_SCOPE": "`axbridge keys generate --scope …` makes a key that has it",
    "TENANT_NOT_FOUND": "`axbridge tenant list` shows those there are, `axbridge tenant add` adds one",
    "BINDING_NOT_FOUND": "`axbridge bindings list --tenant …` shows those there are",
    "WEBHOOK_NOT_FOUND": "`axbridge webhooks list --tenant …` shows those there are",
    "WEBHOOK_DISABLED": "`axbridge webhooks update … --state enabled` does",
    "ADDRESS_REFUSED": "an operator can allow it with AXBRIDGE_EVENTS_WEBHOOKS_ALLOWED_NETWORKS",
    "TENANT_EXISTS": "`axbridge tenant update` changes it",
    "TENANT_HAS_BINDINGS": "end them first, `axbridge bindings list --tenant …` shows them",
}
_ADVICE: dict[type[AxbridgeError], str] = {
    NotFoundError: "the `list` commands show what there is",
    AbortedError: "somebody else changed it first: look at it again and repeat the change",
    DeadlineExceededError: "see whether it was done before you repeat it, or give it more time with --timeout",
    ResourceExhaustedError: "try again later",
    UnexpectedError: "the log of the service says more",
}


class OneLineErrors(TyperGroup):
    """The root command: turns every expected error into one line and its exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        def invoke() -> Any:
            return super(OneLineErrors, self).main(args, prog_name, complete_var, False, windows_expand_args, **extra)

        if not standalone_mode:
            return invoke()
        try:
            code = invoke()
        except AxbridgeError as error:
            fail(one_line(error))
        except grpc.RpcError as error:
            fail(one_line(from_rpc_error(error)))
        except typer.Abort:
            fail("given up")
        except Exception as error:  # noqa: BLE001 - typer's usage errors have no public base; others are raised again
            fail_usage(error)
        sys.exit(code if isinstance(code, int) else 0)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong and end."""
    print(f"axbridge: {printable(message)}", file=sys.stderr)
    sys.exit(code)


def fail_usage(error: Exception) -> NoReturn:
    """End over a command line that typer could not make sense of; raises anything else again."""
    show: Callable[[], str] | None = getattr(error, "format_message", None)
    if show is None:
        raise error
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        # Help was asked for by asking for nothing, and has been printed.
        sys.exit(2)
    path = context.command_path if context is not None else "axbridge"
    print(f"{path}: {printable(' '.join(show().split()).rstrip('.'))} (see `{path} --help`)", file=sys.stderr)
    sys.exit(getattr(error, "exit_code", 2))


def unreachable(service: str, target: str, option: str, variable: str) -> UnavailableError:
    """The error for a service that does not answer at `target`."""
    return UnavailableError(
        f"can't reach the {service} at {target}: start it with `axbridge up`, "
        f"or say where it is with {option} or {variable}"
    )
