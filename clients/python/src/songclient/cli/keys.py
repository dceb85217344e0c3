"""The commands for API keys: keys create, list, revoke."""

from datetime import timedelta

import click
from google.protobuf import json_format

from songclient import Scope
from songclient.cli.display import api_key_row, scope_text
from songclient.cli.run import API_KEY_VARIABLE, Run, pass_run
from songclient.cli.users import PRIVILEGES

SCOPES = {scope_text(scope): scope for scope in Scope.values() if scope != Scope.SCOPE_UNSPECIFIED}


@click.group()
def keys() -> None:
    """Make and end API keys, with which machines sign in."""


@keys.command(
    help=f"Make an API key, and print it: it is shown only now. Whoever has it in {API_KEY_VARIABLE} calls in your "
    "stead, as far as its scopes and its privilege allow."
)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(list(SCOPES)),
    help="What it is for; repeatable.",
)
@click.option(
    "--privilege",
    type=click.Choice(list(PRIVILEGES)),
    help="What it may do at the most; if not given, what its scopes need.",
)
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="How long it is good.")
@pass_run
def create(run: Run, /, *, name: str, scopes: tuple[str, ...], privilege: str | None, days: int) -> None:
    """Make an API key."""
    with run.connect() as client:
        made = client.create_api_key(
            name,
            [SCOPES[scope] for scope in dict.fromkeys(scopes)],
            privilege=PRIVILEGES[privilege] if privilege else None,
            lifetime=timedelta(days=days),
        )
    run.output.document(json_format.MessageToDict(made, preserving_proto_field_name=True), made.key)
    run.output.note("keep it now: it is not shown again")


@keys.command("list")
@pass_run
def list_(run: Run) -> None:
    """List your API keys that have not ended."""
    with run.connect() as client:
        run.output.many(client.list_api_keys(), api_key_row)


@keys.command()
@click.argument("key_ids", metavar="ID...", nargs=-1, required=True)
@pass_run
def revoke(run: Run, /, *, key_ids: tuple[str, ...]) -> None:
    """End API keys, by their ids from the list."""
    with run.connect() as client:
        for key_id in key_ids:
            client.revoke_api_key(key_id)
    run.output.note("ended")
