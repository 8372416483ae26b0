"""The `axbridge` command, put together."""

import importlib.metadata
from typing import Annotated

import typer

from cli import bind, bindings, calls, quarantine, tenant
from cli.errors import OneLineErrors
from cli.explain import explain
from cli.migrate import migrate
from cli.simulate import simulate
from cli.up import up

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
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The enterprise's side of a call platform's inbound call forwarding."""


app.command()(up)
app.command()(migrate)
app.add_typer(tenant.app, name="tenant")
app.add_typer(bind.app, name="bind")
app.add_typer(bindings.app, name="bindings")
app.command()(explain)
app.add_typer(calls.app, name="calls")
app.command()(simulate)
app.add_typer(quarantine.app, name="quarantine")

if __name__ == "__main__":
    app()
