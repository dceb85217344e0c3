"""The commands for what is kept about oneself: export-me, delete-me."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from songclient import SignInFailed
from songclient.cli.output import as_json_line
from songclient.cli.passwords import HOW_TO_GIVE, ask_password, password_stdin_option
from songclient.cli.run import Run, confirm, pass_run


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@pass_run
def export_me(run: Run, /, *, file: str) -> None:
    """Write all that is kept about you, in JSON Lines.

    To FILE, which only you may read, or to standard output. Each line has one of: user (your
    account), session, api_key, audit_event, import_info (an import that can go on), song (one that
    you have added).
    """
    count = 0
    with run.connect() as client, _new_file(file) as out:
        for item in client.export_me():
            click.echo(as_json_line(item), out)
            count += 1
    run.output.note(f"{count} lines written")


@click.command(help=f"Remove your account for good. Its sessions and API keys go with it, songs stay. {HOW_TO_GIVE}")
@click.option("--yes", is_flag=True, help="Do not ask.")
@password_stdin_option
@pass_run
def delete_me(run: Run, /, *, yes: bool, password_stdin: bool) -> None:
    """Remove your account."""
    with run.connect() as client:
        if not yes:
            confirm(f"Remove the account {client.get_me().username} for good?")
        password = ask_password("Password", from_stdin=password_stdin)
        try:
            client.delete_me(password)
        except SignInFailed as error:
            raise click.ClickException(error.message) from error
    run.output.note("removed")


@contextlib.contextmanager
def _new_file(name: str) -> Iterator[TextIO | None]:
    """Give a file of mode 0600, which gets its name once it is whole; None for standard output. Raises OSError."""
    if name == "-":
        yield None
        return
    path = Path(name)
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
