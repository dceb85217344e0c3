"""The commands of one's own account: signup, login, logout, whoami, passwd."""

import contextlib

import click

from songclient import SignInFailed
from songclient.cli.display import user_row
from songclient.cli.passwords import HOW_TO_GIVE, ask_password, password_stdin_option
from songclient.cli.run import Run, pass_run

username_argument = click.argument("username", required=False)


@click.command(help=f"Make an account and sign in to it. {HOW_TO_GIVE}")
@username_argument
@click.option("--display-name", default="", help="The name to show to people.")
@password_stdin_option
@pass_run
def signup(run: Run, /, *, username: str | None, display_name: str, password_stdin: bool) -> None:
    """Make an account and sign in to it."""
    username = username or click.prompt("User name", err=True)
    password = ask_password("Password", from_stdin=password_stdin, confirm=True)
    with run.connect(signed_in=False) as client:
        client.sign_up(username, password, display_name)
        run.output.one(client.sign_in(username, password), user_row)


@click.command(help=f"Sign in, and stay signed in until `songctl logout`. {HOW_TO_GIVE}")
@username_argument
@password_stdin_option
@pass_run
def login(run: Run, /, *, username: str | None, password_stdin: bool) -> None:
    """Sign in."""
    username = username or click.prompt("User name", err=True)
    password = ask_password("Password", from_stdin=password_stdin)
    with run.connect(signed_in=False) as client:
        try:
            user = client.sign_in(username, password)
        except SignInFailed as error:
            raise click.ClickException(error.message) from error
    run.output.one(user, user_row)


@click.command()
@click.option("--everywhere", is_flag=True, help="End all your sessions, on all devices.")
@pass_run
def logout(run: Run, /, *, everywhere: bool) -> None:
    """End the session, here and on the server."""
    if everywhere:
        with run.resume() as client:
            client.sign_out(everywhere=True)
        run.output.note("signed out everywhere")
        return
    # It may be over already.
    with contextlib.suppress(SignInFailed), run.resume() as client:
        client.sign_out()
    run.output.note("signed out")


@click.command()
@pass_run
def whoami(run: Run) -> None:
    """Show who is signed in."""
    with run.connect() as client:
        run.output.one(client.get_me(), user_row)


@click.command(
    help="Set a new password, which ends all other sessions. Both are asked for; without a "
    "terminal give the old and the new one on two lines of standard input (--password-stdin) or "
    "in the environment (SONGCTL_PASSWORD and SONGCTL_NEW_PASSWORD)."
)
@password_stdin_option
@pass_run
def passwd(run: Run, /, *, password_stdin: bool) -> None:
    """Set a new password."""
    with run.connect() as client:
        old = ask_password("Current password", from_stdin=password_stdin)
        new = ask_password(
            "New password",
            from_stdin=password_stdin,
            variable="SONGCTL_NEW_PASSWORD",
            confirm=True,
        )
        try:
            client.change_password(old, new)
        except SignInFailed as error:
            raise click.ClickException(error.message) from error
    run.output.note("password changed")
