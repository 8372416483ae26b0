"""`axbridge keys`: credentials for internal systems and for platforms.

Nothing here speaks to a service: what is printed goes into files (Secrets), which the services read again by
themselves.
"""

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import add_row, local_time, print_json, stderr_console, stdout_console, table
from cli.values import parse_moment, parse_span_from_now
from common.auth.api_keys import Pepper, generate_api_key, parse_api_key, read_pepper
from common.auth.credentials import Credentials, parse_credentials
from common.auth.grants import ALL_TENANTS, Grant, Scope
from common.errors import AxbridgeError, FailedPreconditionError, InvalidArgumentError
from gateway.platform_access import generate_token, parse_access, token_hash

app = typer.Typer(help="API keys, their pepper, tokens for platforms: make and check them.", no_args_is_help=True)

PEPPER_BYTES = 48
PepperFile = Annotated[
    Path, typer.Option("--pepper-file", metavar="FILE", help="The pepper, as `keys pepper` made it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def pepper(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; must not exist.")]) -> None:
    """Make the secret that API keys are hashed with. Both services need the same one."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise FailedPreconditionError(
            f"{file} is there already, and all keys made with it would be worthless without it"
        ) from error
    except OSError as error:
        raise AxbridgeError(f"can't write {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(secrets.token_urlsafe(PEPPER_BYTES) + "\n")
    stderr_console().print(f"wrote {file}, readable by you only")


@app.command()
def generate(
    pepper_file: PepperFile,
    caller: Annotated[str, typer.Option(help="Who will use it; stands in audits and logs.")],
    tenant: Annotated[list[str] | None, typer.Option("--tenant", help="Enterprise it is for; may be repeated.")] = None,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="For every enterprise, and those to come.")
    ] = False,
    scope: Annotated[list[Scope] | None, typer.Option("--scope", help="What it may do; may be repeated.")] = None,
    expires: Annotated[
        str, typer.Option(help="When it ends: a time (2027-06-30T00:00Z) or a span (90d). Empty: never.")
    ] = "365d",
    as_json: AsJson = False,
) -> None:
    """Make an API key: the key itself, shown this once, and the entry for the credentials file."""
    if bool(tenant) == all_tenants:
        raise typer.BadParameter("say whom it is for: --tenant, or --all-tenants")
    if not scope:
        raise typer.BadParameter(f"say what it may do: --scope {', --scope '.join(one.value for one in Scope)}")
    key = generate_api_key()
    lines = [
        "[[key]]",
        f"id = {_quoted(key.key_id)}",
        f"caller = {_quoted(caller)}",
        f"hash = {_quoted(read_or_fail(pepper_file).hash(key))}",
        f"tenants = [{', '.join(map(_quoted, tenant or [ALL_TENANTS]))}]",
        f"scopes = [{', '.join(_quoted(one.value) for one in scope)}]",
    ]
    if expires:
        lines.append(f"expires_at = {_end(expires).isoformat(timespec='seconds')}")
    entry = "\n".join(lines) + "\n"
    # What the services would refuse is refused here.
    parse_credentials(entry, read_or_fail(pepper_file))
    if as_json:
        print_json({"key": key.text, "entry": entry})
        return
    remarks = stderr_console()
    remarks.print("The key, shown this once. Give it to its holder in a file or a Secret:")
    print(key.text)
    remarks.print("\nAdd this to the credentials file of the routing service and the event service:")
    print(entry, end="")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The credentials file.")],
    pepper_file: Annotated[Path | None, typer.Option("--pepper-file", metavar="FILE", help="The pepper.")] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="Say whether the key in this file is good.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a credentials file as the services do, and list what it grants."""
    pepper = None if pepper_file is None else read_or_fail(pepper_file)
    credentials = parse_credentials(_text(file), pepper)
    now = datetime.now(UTC)
    if key_file is not None:
        _check_key(credentials, _text(key_file).strip(), now)
        return
    if as_json:
        print_json([_as_dict(grant, now) for grant in credentials.grants])
        return
    listing = table("Credentials", ["id", "caller", "tenants", "scopes", "ends", "state"])
    for grant in credentials.grants:
        shown = _as_dict(grant, now)
        ends = "never" if grant.expires_at is None else local_time(grant.expires_at)
        state = "expired" if shown["expired"] else "good"
        tenants, scopes = ", ".join(shown["tenants"]), ", ".join(shown["scopes"])
        add_row(listing, grant.credential_id, grant.caller, tenants, scopes, ends, state)
    stdout_console().print(listing)


@app.command()
def token(as_json: AsJson = False) -> None:
    """Make a token for a platform's URL: /v1/calls/TOKEN, shown this once, and its hash for the access file."""
    made = generate_token()
    if as_json:
        print_json({"token": made, "hash": token_hash(made)})
        return
    remarks = stderr_console()
    remarks.print("The token, shown this once. The platform posts to /v1/calls/ and this:")
    print(made)
    remarks.print("\nAdd this to the tenant's entry in the gateway's access file:")
    print(f"tokens = [{_quoted(token_hash(made))}]")


@app.command("check-access")
def check_access(file: Annotated[Path, typer.Argument(metavar="FILE", help="The access file.")]) -> None:
    """Read a gateway's access file as the gateway does."""
    parse_access(_text(file))
    stdout_console().print(f"{file} can be used")


def _check_key(credentials: Credentials, text: str, now: datetime) -> None:
    try:
        grant = credentials.by_key(text, now)
    except AxbridgeError as error:
        raise FailedPreconditionError(f"the services would refuse it: {error.message}") from error
    shown = _as_dict(grant, now)
    tenants, scopes = ", ".join(shown["tenants"]), ", ".join(shown["scopes"])
    stdout_console().print(f"key {parse_api_key(text).key_id} of {grant.caller} is good for {tenants}: {scopes}")


def read_or_fail(path: Path) -> Pepper:
    """The pepper in a file. Raises AxbridgeError."""
    try:
        return read_pepper(path)
    except OSError as error:
        raise InvalidArgumentError("pepper_file", f"can't read {path}: {error.strerror}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AxbridgeError(f"can't read {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error


def _end(text: str) -> datetime:
    """When a key ends: a span from now, or a time."""
    if text[:1].isdigit() and text[-1:] in "dhms" and "T" not in text:
        return parse_span_from_now(text, "--expires")
    return parse_moment(text, "--expires")


def _quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False)


def _as_dict(grant: Grant, now: datetime) -> dict[str, Any]:
    return {
        "credential_id": grant.credential_id,
        "caller": grant.caller,
        "tenants": [ALL_TENANTS] if grant.tenants is None else sorted(grant.tenants),
        "scopes": sorted(scope.value for scope in grant.scopes),
        "expires_at": None if grant.expires_at is None else grant.expires_at.isoformat(),
        "expired": grant.is_expired(now),
    }
