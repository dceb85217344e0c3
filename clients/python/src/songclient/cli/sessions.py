"""The commands for where one is signed in: sessions list, revoke."""

import click

from songclient.cli.display import session_row
from songclient.cli.run import Run, pass_run


@click.group()
def sessions() -> None:
    """See where you are signed in, and end that."""


@sessions.command("list")
@pass_run
def list_(run: Run) -> None:
    """List your sessions, the latest first."""
    with run.connect() as client:
        run.output.many(client.list_sessions(), session_row)


@sessions.command()
@click.argument("session_ids", metavar="ID...", nargs=-1, required=True)
@pass_run
def revoke(run: Run, /, *, session_ids: tuple[str, ...]) -> None:
    """End sessions, by their ids from the list."""
    with run.connect() as client:
        for session_id in session_ids:
            client.revoke_session(session_id)
    run.output.note("ended")
