"""The operator's command: `songserver`."""

import asyncio
import secrets
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import click

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, Privilege
from songserver import __version__
from songserver.app import SERVICES, database, make_accounts, serving
from songserver.auth.keys import KeysError
from songserver.config import ADMIN_PASSWORD_VARIABLE, POPULATE_PASSWORD_VARIABLE, Settings, SettingsError
from songserver.engines.grpcio import ListenError
from songserver.errors import SongServerError
from songserver.flags import settings_flags
from songserver.logs import configure_logs
from songserver.populate import populate
from songserver.rpc import Method
from songserver.storage.audit_chain import Link, verify
from songserver.storage.embedded import EmbeddedMongoError
from songserver.storage.mongo import database_within
from songserver.storage.songs import Songs

FORESEEN = (SettingsError, SongServerError, EmbeddedMongoError, KeysError, ListenError)
"""What an operator can mend: told in a line, without a traceback."""
MOST_PROBLEMS = 20
"""Problems of the audit log that are told; if there are more, they are counted."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__)
def main() -> None:
    """The song server: a catalogue of songs with user accounts, served over gRPC, on MongoDB."""


@main.command()
@settings_flags
def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Without MONGODB_URI the server runs a MongoDB of its own, with its data in the data directory, and makes the account
    "admin" on the first start.
    """
    _run(settings, _serve(settings))


@main.command("create-admin")
@click.argument("username")
@click.password_option(envvar=ADMIN_PASSWORD_VARIABLE, help="Asked for if not given; better not on a command line.")
@settings_flags
def create_admin(settings: Settings, username: str, password: str) -> None:
    """Make an admin account called USERNAME, straight in the database."""
    _run(settings, _create_admin(settings, username, password))
    click.echo(f"made the admin account {username}")


@main.command("populate")
@click.option("--songs", "song_count", default=10_000, show_default=True, help="How many songs to invent.")
@click.option("--users", "user_count", default=10, show_default=True, help="How many editors: user-1, user-2, ...")
@click.option(
    "--password",
    envvar=POPULATE_PASSWORD_VARIABLE,
    show_envvar=True,
    help="The password of these users; if not given, one is made and printed.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed invents the same songs.")
@settings_flags
def populate_command(settings: Settings, song_count: int, user_count: int, password: str | None, seed: int) -> None:
    """Fill the database with invented songs and users, to try things out or for a load test."""
    password = password or secrets.token_urlsafe(12)
    _run(settings, _populate(settings, song_count, user_count, password, seed))


@main.command("export-policy")
def export_policy() -> None:
    """Print who may call what, as the contract says, one method a line."""
    for service in SERVICES:
        for descriptor in service.methods:
            method = Method.of(descriptor)
            click.echo(f"{method.path} {Privilege.Name(method.access).removeprefix('PRIVILEGE_')}")


@main.group("audit")
def audit_group() -> None:
    """Look after the audit log."""


@audit_group.command("verify")
@click.option(
    "--head", help="An entry that has to be there still: NUMBER:HASH, as this command or the server's log told."
)
@settings_flags
def audit_verify(settings: Settings, head: str | None) -> None:
    """Find entries of the audit log that were changed, removed, put in or put elsewhere.

    The exit code is 1 if there are any. Keep the last entry that is printed somewhere else, and give it with --head the
    next time: only so is it found if somebody cuts off the end of the log or writes all of it anew.
    """
    _run(settings, _audit_verify(settings, None if head is None else _link(head)))


def _link(head: str) -> Link:
    try:
        return Link.parse(head)
    except ValueError as error:
        raise click.BadParameter(
            f"{head!r} is no NUMBER:HASH as `songserver audit verify` prints it: {error}"
        ) from error


def _run(settings: Settings, work: Coroutine[Any, Any, None]) -> None:
    configure_logs(settings)
    try:
        asyncio.run(work)
    except FORESEEN as error:
        raise click.ClickException(str(error)) from error
    except asyncio.CancelledError as error:
        raise click.Abort from error


async def _serve(settings: Settings) -> None:
    server = asyncio.current_task()
    assert server
    stop = asyncio.Event()

    def give_up() -> None:
        # Both, since pymongo swallows a cancellation now and then.
        stop.set()
        server.cancel()

    _on_signals(give_up)
    async with serving(settings) as running:
        if stop.is_set():
            return
        if not settings.mongodb_uri:
            click.echo(f"MongoDB of its own, data in {settings.data_directory / 'mongodb'}")
        if running.first_admin:
            name, password, file = running.first_admin
            click.echo(f"made the account {name!r} with the password {password} (kept in {file})")
        _on_signals(stop.set)
        click.echo(f"song server {__version__} listening on {running.address}")
        await stop.wait()
        # Who asks once more does not want to wait for the calls in flight.
        _on_signals(give_up)
        click.echo("stopping")


def _on_signals(act: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, act)


async def _create_admin(settings: Settings, username: str, password: str) -> None:
    async with database(settings) as mongo:
        await make_accounts(settings, mongo).create(username, password, PRIVILEGE_ADMIN, action="create-admin")


async def _audit_verify(settings: Settings, kept: Link | None) -> None:
    problems = 0

    def report(problem: str) -> None:
        nonlocal problems
        problems += 1
        if problems <= MOST_PROBLEMS:
            click.echo(problem, err=True)

    async with database(settings) as mongo:
        with database_within(None):
            last = await verify(mongo, kept, report)
    if problems:
        raise click.ClickException(f"the audit log was tampered with: {problems} problems in {last.sequence} entries")
    click.echo(f"{last.sequence} entries, each as it was written; the last one is {last}")


async def _populate(settings: Settings, song_count: int, user_count: int, password: str, seed: int) -> None:
    async with database(settings) as mongo:
        songs, users = await populate(
            Songs(mongo),
            make_accounts(settings, mongo),
            song_count=song_count,
            user_count=user_count,
            password=password,
            seed=seed,
        )
    click.echo(f"made {songs} songs and {users} users" + (f" with the password {password}" if users else ""))
