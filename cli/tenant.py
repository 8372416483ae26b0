"""`axbridge tenant`: the enterprises that are served."""

from dataclasses import dataclass
from typing import Annotated

import typer
from axbridge.routing.v1 import tenant_pb2, tenant_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from cli.bind import IfRevision, RequestId
from cli.clients import RoutingClient, RoutingTarget, routing_client
from cli.option_groups import spread_options
from cli.output import (
    OutputOptions,
    add_row,
    facts_table,
    free_text,
    person,
    print_json,
    print_message,
    print_messages,
    stdout_console,
    table,
)
from cli.profile_options import ProfileOptions, profile_facts
from cli.values import Choice, enum_word, parse_prompt_option, prompt_text

app = typer.Typer(help="The enterprises that are served (vccId), and their settings.", no_args_is_help=True)

TenantId = Annotated[str, typer.Argument(metavar="TENANT", help="The enterprise's id, vccId in the protocol.")]


class DialingChoice(Choice):
    NATIONAL = "national"
    E164 = "e164"
    ZERO_BEFORE_NON_LOCAL_MOBILE = "zero-before-non-local-mobile"


class JsonListChoice(Choice):
    WRAPPED = "wrapped"
    PLAIN = "plain"


class PromptStyleChoice(Choice):
    ESCAPED = "escaped"
    NESTED = "nested"


@dataclass(frozen=True, slots=True)
class TenantOptions:
    """Options: a tenant's settings."""

    name: Annotated[str | None, typer.Option("--name", help="A name for people.")] = None
    region: Annotated[
        str | None, typer.Option("--region", help="Region that national numbers belong to, such as CN.")
    ] = None
    dialing: Annotated[DialingChoice | None, typer.Option(help="How numbers are written in answers.")] = None
    local_prefix: Annotated[
        list[str] | None, typer.Option(help="First digits of local mobiles, written without a 0. Repeatable.")
    ] = None
    callback_url: Annotated[str | None, typer.Option(help="Where the platform sends events (callBackUrl).")] = None
    xml_root: Annotated[str | None, typer.Option(help="Root of answers in XML; else it follows the request's.")] = None
    json_list: Annotated[JsonListChoice | None, typer.Option(help='userList in JSON: {"user": [..]} or [..].')] = None
    prompt_style: Annotated[
        PromptStyleChoice | None, typer.Option(help="Prompts in XML: as escaped text or nested elements.")
    ] = None
    fallback_number: Annotated[
        str | None, typer.Option(help="Who is called when no binding relates caller and access number.")
    ] = None
    foreign_display: Annotated[
        bool | None,
        typer.Option(
            "--foreign-display/--no-foreign-display", help="May bindings show numbers that are not the tenant's?"
        ),
    ] = None
    failure_prompt: Annotated[
        list[str] | None,
        typer.Option(metavar="RESULT=PROMPT", help="Played when a query fails, `1004=…` or `default=…`. Repeatable."),
    ] = None

    def fill(self, tenant: tenant_pb2.Tenant) -> list[str]:
        """Write what was given into `tenant`; the names of the fields that were set."""
        paths: list[str] = []
        plain = {
            "display_name": self.name,
            "default_region": self.region,
            "callback_url": self.callback_url,
            "fallback_number": self.fallback_number,
        }
        for field, text in plain.items():
            if text is not None:
                setattr(tenant, field, text)
                paths.append(field)
        if self.foreign_display is not None:
            tenant.foreign_display_numbers_allowed = self.foreign_display
            paths.append("foreign_display_numbers_allowed")
        if self.dialing is not None:
            tenant.MergeFrom(tenant_pb2.Tenant(dialing_format=self.dialing.enum_name("DIALING_FORMAT_")))
            paths.append("dialing_format")
        if self.local_prefix is not None:
            tenant.local_mobile_prefixes.extend(self.local_prefix)
            paths.append("local_mobile_prefixes")
        paths.extend(self._fill_style(tenant.response_style))
        if self.failure_prompt is not None:
            for item in self.failure_prompt:
                result, separator, prompt = item.partition("=")
                if not separator:
                    raise typer.BadParameter("--failure-prompt is written RESULT=PROMPT, such as 1004=sorry.wav")
                tenant.failure_prompts[result].CopyFrom(parse_prompt_option(prompt, "--failure-prompt"))
            paths.append("failure_prompts")
        return paths

    def _fill_style(self, style: tenant_pb2.ResponseStyle) -> list[str]:
        paths: list[str] = []
        if self.xml_root is not None:
            style.xml_root = self.xml_root
            paths.append("response_style.xml_root")
        if self.json_list is not None:
            listed = self.json_list.enum_name("JSON_LIST_STYLE_")
            style.MergeFrom(tenant_pb2.ResponseStyle(json_list_style=listed))
            paths.append("response_style.json_list_style")
        if self.prompt_style is not None:
            written = self.prompt_style.enum_name("PROMPT_STYLE_")
            style.MergeFrom(tenant_pb2.ResponseStyle(prompt_style=written))
            paths.append("response_style.prompt_style")
        return paths


@app.command()
@spread_options
def add(
    tenant_id: TenantId,
    settings: TenantOptions,
    profile: ProfileOptions,
    target: RoutingTarget,
    output: OutputOptions,
    request_id: RequestId = "",
) -> None:
    """Add a tenant. The call profile options set the defaults of all its bindings."""
    tenant = tenant_pb2.Tenant(tenant_id=tenant_id)
    settings.fill(tenant)
    profile.fill(tenant.default_profile)
    with routing_client(target) as client:
        request = tenant_service_pb2.CreateTenantRequest(tenant=tenant, request_id=request_id)
        stored = client.caller.call(client.tenants.CreateTenant, request).tenant
    _show(stored, output, f"tenant {tenant_id} added")


@app.command("list")
@spread_options
def list_(
    target: RoutingTarget,
    output: OutputOptions,
    limit: Annotated[int, typer.Option(min=1, help="Most tenants to list.")] = 1000,
) -> None:
    """List the tenants."""
    with routing_client(target) as client:
        tenants = _all_tenants(client, limit)
    if output.as_json:
        print_messages(tenants, unmask=output.unmask)
        return
    listing = table("Tenants", ["tenant", "name", "region", "dialling", "callback", ("revision", "right")])
    for tenant in tenants:
        add_row(
            listing,
            tenant.tenant_id,
            tenant.display_name,
            tenant.default_region,
            enum_word(tenant_pb2.DialingFormat.Name(tenant.dialing_format), "DIALING_FORMAT_"),
            tenant.callback_url,
            str(tenant.revision),
        )
    stdout_console().print(listing if tenants else "no tenants yet: `axbridge tenant add TENANT` adds one")


@app.command()
@spread_options
def show(tenant_id: TenantId, target: RoutingTarget, output: OutputOptions) -> None:
    """Show a tenant with all its settings."""
    with routing_client(target) as client:
        request = tenant_service_pb2.GetTenantRequest(tenant_id=tenant_id)
        tenant = client.caller.call(client.tenants.GetTenant, request).tenant
    _show(tenant, output, f"tenant {tenant_id}")


@app.command()
@spread_options
def update(
    tenant_id: TenantId,
    settings: TenantOptions,
    profile: ProfileOptions,
    target: RoutingTarget,
    output: OutputOptions,
    clear: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Set a field back, such as callback_url or default_profile.client_id."),
    ] = None,
    if_revision: IfRevision = 0,
    request_id: RequestId = "",
) -> None:
    """Change the settings that are given and leave the others."""
    tenant = tenant_pb2.Tenant(tenant_id=tenant_id)
    paths = settings.fill(tenant)
    paths += [f"default_profile.{name}" for name in profile.fill(tenant.default_profile)]
    paths += clear or []
    if not paths:
        raise typer.BadParameter("nothing to change: give at least one setting, or --clear FIELD")
    request = tenant_service_pb2.UpdateTenantRequest(
        tenant=tenant, update_mask=FieldMask(paths=paths), expected_revision=if_revision, request_id=request_id
    )
    with routing_client(target) as client:
        stored = client.caller.call(client.tenants.UpdateTenant, request).tenant
    _show(stored, output, f"tenant {tenant_id} changed")


@app.command()
@spread_options
def delete(tenant_id: TenantId, target: RoutingTarget, output: OutputOptions, request_id: RequestId = "") -> None:
    """Remove a tenant that has no bindings."""
    with routing_client(target) as client:
        request = tenant_service_pb2.DeleteTenantRequest(tenant_id=tenant_id, request_id=request_id)
        client.caller.call(client.tenants.DeleteTenant, request)
    if output.as_json:
        print_json({"deleted": tenant_id})
    else:
        stdout_console().print(f"tenant {tenant_id} deleted")


def _all_tenants(client: RoutingClient, limit: int) -> list[tenant_pb2.Tenant]:
    tenants: list[tenant_pb2.Tenant] = []
    token = ""
    while len(tenants) < limit:
        request = tenant_service_pb2.ListTenantsRequest(page_size=min(limit - len(tenants), 1000), page_token=token)
        page = client.caller.call(client.tenants.ListTenants, request)
        tenants.extend(page.tenants)
        token = page.next_page_token
        if not token:
            break
    return tenants


def _show(tenant: tenant_pb2.Tenant, output: OutputOptions, heading: str) -> None:
    if output.as_json:
        print_message(tenant, unmask=output.unmask)
        return
    style = tenant.response_style
    facts = {
        "name": tenant.display_name,
        "region": tenant.default_region,
        "dialling": enum_word(tenant_pb2.DialingFormat.Name(tenant.dialing_format), "DIALING_FORMAT_"),
        "local prefixes": ", ".join(tenant.local_mobile_prefixes),
        "callback URL": tenant.callback_url,
        "fallback number": person(tenant.fallback_number, unmask=output.unmask),
        "foreign display numbers": "allowed" if tenant.foreign_display_numbers_allowed else "",
        "XML root": style.xml_root,
        "userList in JSON": enum_word(tenant_pb2.JsonListStyle.Name(style.json_list_style), "JSON_LIST_STYLE_"),
        "prompts in XML": enum_word(tenant_pb2.PromptStyle.Name(style.prompt_style), "PROMPT_STYLE_"),
        **{f"prompt for {key}": free_text(prompt_text(value)) for key, value in sorted(tenant.failure_prompts.items())},
        **{f"default {name}": free_text(text) for name, text in profile_facts(tenant.default_profile).items()},
        "revision": str(tenant.revision),
    }
    console = stdout_console()
    console.print(heading, style="bold")
    console.print(facts_table(facts))
