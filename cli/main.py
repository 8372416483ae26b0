"""The `axbridge` command, put together."""

import importlib.metadata
from typing import Annotated

import typer

from cli import audit, bind, bindings, call_reports, calls, encryption, keys, lists, pool, quarantine, tenant, webhooks
from cli.errors import OneLineErrors
from cli.explain import explain
from cli.import_bindings import import_bindings
from cli.migrate import migrate
from cli.security import ApiKeyFile, Tls, TlsCaFile, TlsCertFile, TlsKeyFile, TlsServerName, security_of
from cli.shadow_replay import shadow_replay
from cli.simulate import simulate
from cli.tail import tail
from cli.up import up
from cli.watch import watch

app = typer.Typer(
    name="axbridge",
    cls=OneLineErrors,
    help="The enterprise's side of a call platform's inbound call forwarding.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"axbridge {importlib.metadata.version('axbridge')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    api_key_file: ApiKeyFile = None,
    tls: Tls = False,
    tls_ca_file: TlsCaFile = None,
    tls_cert_file: TlsCertFile = None,
    tls_key_file: TlsKeyFile = None,
    tls_server_name: TlsServerName = "",
) -> None:
    """The enterprise's side of a call platform's inbound call forwarding."""
    context.obj = security_of(api_key_file, tls, tls_ca_file, (tls_cert_file, tls_key_file), tls_server_name)


app.command()(up)
app.command()(migrate)
app.add_typer(tenant.app, name="tenant")
app.add_typer(bind.app, name="bind")
bindings.app.command()(watch)
app.add_typer(bindings.app, name="bindings")
app.command("import")(import_bindings)
app.add_typer(pool.app, name="pool")
app.add_typer(audit.app, name="audit")
app.add_typer(lists.app, name="lists")
app.command()(explain)
app.command("shadow-replay")(shadow_replay)
calls.app.add_typer(call_reports.app)
app.add_typer(calls.app, name="calls")
app.command()(tail)
app.command()(simulate)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(keys.app, name="keys")
app.add_typer(encryption.app, name="encryption")

if __name__ == "__main__":
    app()
