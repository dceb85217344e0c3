"""The commands of admins: users list, show, set-privilege, disable, enable, rm."""

from typing import TypedDict
from uuid import UUID

import click

from songclient import Privilege
from songclient.cli.display import user_row
from songclient.cli.run import Run, confirm, pass_run

PRIVILEGES = {
    "listener": Privilege.PRIVILEGE_LISTENER,
    "editor": Privilege.PRIVILEGE_EDITOR,
    "admin": Privilege.PRIVILEGE_ADMIN,
}

user_argument = click.argument("user", metavar="NAME|ID")


ID_LENGTH = 36
"""Characters of an id, a UUID. A name has 32 at the most."""


class Who(TypedDict, total=False):
    """A user, by name or by id."""

    username: str
    user_id: str


@click.group()
def users() -> None:
    """Manage users (for admins)."""


@users.command("list")
@pass_run
def list_(run: Run) -> None:
    """List all users by name."""
    with run.connect() as client:
        run.output.many(client.list_users(), user_row)


@users.command()
@user_argument
@pass_run
def show(run: Run, /, *, user: str) -> None:
    """Show a user."""
    with run.connect() as client:
        run.output.one(client.get_user(**who(user)), user_row)


@users.command()
@user_argument
@click.argument("privilege", type=click.Choice(list(PRIVILEGES)))
@pass_run
def set_privilege(run: Run, /, *, user: str, privilege: str) -> None:
    """Set what a user may do.

    A listener reads, an editor also changes songs, an admin also manages users.
    """
    with run.connect() as client:
        run.output.one(client.set_privilege(PRIVILEGES[privilege], **who(user)), user_row)


@users.command()
@user_argument
@pass_run
def disable(run: Run, /, *, user: str) -> None:
    """Keep a user out, until `songctl users enable`.

    The user's sessions end, and the user's API keys are refused.
    """
    with run.connect() as client:
        run.output.one(client.disable_user(**who(user)), user_row)


@users.command()
@user_argument
@pass_run
def enable(run: Run, /, *, user: str) -> None:
    """Let a disabled user sign in again."""
    with run.connect() as client:
        run.output.one(client.enable_user(**who(user)), user_row)


@users.command()
@user_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_run
def rm(run: Run, /, *, user: str, yes: bool) -> None:
    """Remove a user, but not the songs of the user."""
    with run.connect() as client:
        if not yes:
            confirm(f"Remove the user {user}?")
        client.delete_user(**who(user))
    run.output.note("removed")


def who(user: str) -> Who:
    """Tell an id from a name."""
    try:
        return {"user_id": str(UUID(user))} if len(user) == ID_LENGTH else {"username": user}
    except ValueError:
        return {"username": user}
