"""The operator's command: `songserver`.

What only one command needs, that command imports: `serve` has its workers started before the rest is loaded.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import click

from songserver import __version__
from songserver.config import Settings
from songserver.flags import settings_flags
from songserver.foreseen import Foreseen
from songserver.logs import configure_logs
from songserver.sources import ADMIN_PASSWORD_VARIABLE, POPULATE_PASSWORD_VARIABLE
from songserver.supervisor import supervising

STANDARD_INPUT = 0
MOST_PROBLEMS = 20
"""Problems of the audit log that are told; if there are more, they are counted."""
POPULATE_TIMEOUT = 30.0
"""Seconds that a batch may take."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__)
def main() -> None:
    """The song server: a catalogue of songs with user accounts, served over gRPC, on MongoDB."""


@main.command()
@settings_flags
@click.pass_obj
def serve(read_settings: Callable[[], Settings], settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. SIGHUP reads the settings again.

    Without MONGODB_URI the server runs a MongoDB of its own, with its data in the data directory, and makes the account
    "admin" on the first start.
    """
    _run(settings, _serve(settings, read_settings))


@main.command("create-admin")
@click.argument("username")
@click.password_option(
    envvar=ADMIN_PASSWORD_VARIABLE, show_envvar=True, help="Asked for if not given; better not on a command line."
)
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


@main.command("reindex")
@settings_flags
def reindex_command(settings: Settings) -> None:
    """Derive anew what songs are found and ordered by, while servers run.

    For after a backup of songs without the collection "vocabulary" was restored, or very many songs were removed.
    """
    _run(settings, _reindex(settings))


@main.command("export-policy")
def export_policy() -> None:
    """Print who may call what, as the contract says, one method a line."""
    from songs.v1.access_pb2 import Privilege
    from songserver.app import METHODS
    from songserver.rpc import Method

    for method in map(Method.of, METHODS):
        click.echo(f"{method.path} {Privilege.Name(method.access).removeprefix('PRIVILEGE_')}")


@main.group("keys")
def keys_group() -> None:
    """Look after the keys that sign access tokens."""


@keys_group.command("rotate")
@settings_flags
def keys_rotate(settings: Settings) -> None:
    """Make a new key, while servers run; nobody is signed out.

    It signs after two minutes, once every server and whoever caches the public keys knows it. The key before it
    verifies until its tokens have ended; the next rotation removes it.
    """
    _run(settings, _keys_rotate(settings))


@keys_group.command("list")
@settings_flags
def keys_list(settings: Settings) -> None:
    """Print each key, when it was made, and what it does now. The oldest is first."""
    _run(settings, _keys_list(settings))


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
    _run(settings, _audit_verify(settings, head))


def _run(settings: Settings, work: Coroutine[Any, Any, None]) -> None:
    configure_logs(settings)
    try:
        asyncio.run(work)
    except Foreseen as error:
        raise click.ClickException(str(error)) from error
    except asyncio.CancelledError as error:
        raise click.Abort from error


async def _serve(settings: Settings, read_settings: Callable[[], Settings]) -> None:
    server = asyncio.current_task()
    assert server
    stop = asyncio.Event()
    reload = asyncio.Event()

    def give_up() -> None:
        # Both, since pymongo swallows a cancellation now and then.
        stop.set()
        server.cancel()

    async def keep_reloading() -> None:
        while await reload.wait():
            reload.clear()
            await supervisor.reload(read_settings)

    had_terminal = os.isatty(STANDARD_INPUT)

    def hang_up() -> None:
        # A terminal that is closed says so with the same signal.
        if had_terminal and not os.isatty(STANDARD_INPUT):
            stop.set()
        else:
            reload.set()

    _on_signals(give_up)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
    async with supervising(settings, click.echo) as (supervisor, address):
        if stop.is_set():
            return
        _on_signals(stop.set)
        click.echo(f"song server {__version__} listening on {address}")
        reloading = asyncio.create_task(keep_reloading())
        await stop.wait()
        _on_signals(supervisor.hurry.set)
        click.echo("stopping")
        reloading.cancel()
    if supervisor.hurry.is_set():
        raise click.Abort


def _on_signals(act: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, act)


async def _create_admin(settings: Settings, username: str, password: str) -> None:
    from songs.v1.access_pb2 import PRIVILEGE_ADMIN
    from songserver.groundwork import groundwork, make_accounts

    async with groundwork(settings, joins=True) as ground:
        accounts = make_accounts(settings, ground.mongo)
        await accounts.create(username, password, PRIVILEGE_ADMIN, action="create-admin")


async def _keys_rotate(settings: Settings) -> None:
    from songs.v1.audit_pb2 import AuditEvent
    from songserver.auth.rotation import plan, rotate
    from songserver.groundwork import groundwork
    from songserver.storage.audit import Audit

    rotation = plan(settings.keys_kept_in, settings.access_token_lifetime)
    removed = " ".join(rotation.ended)
    event = AuditEvent(action="keys-rotate", target_id=rotation.new, details={"removed": removed} if removed else {})
    async with groundwork(settings, joins=True) as ground:
        await Audit(ground.mongo).note(event)
        rotate(settings.keys_kept_in, rotation)
    click.echo(f"made the key {rotation.new}, which signs in two minutes")
    if removed:
        click.echo(f"removed {removed}")


async def _keys_list(settings: Settings) -> None:
    from songserver.auth.keys import read_keys
    from songserver.auth.rotation import states

    for key in states(read_keys(settings.keys_kept_in), settings.access_token_lifetime):
        until = f" until {key.signs_from:%H:%M:%S}" if key.does == "waits" else ""
        click.echo(f"{key.kid}  made {key.made:%Y-%m-%d %H:%M:%S} UTC  {key.does}{until}")


async def _audit_verify(settings: Settings, head: str | None) -> None:
    from songserver.groundwork import groundwork
    from songserver.storage.audit_chain import Link, verify
    from songserver.storage.mongo import database_within

    try:
        kept = Link.parse(head) if head is not None else None
    except ValueError as error:
        raise click.BadParameter(
            f"{head!r} is no NUMBER:HASH as `songserver audit verify` prints it: {error}"
        ) from error
    problems = 0

    def report(problem: str) -> None:
        nonlocal problems
        problems += 1
        if problems <= MOST_PROBLEMS:
            click.echo(problem, err=True)

    async with groundwork(settings, joins=True) as ground:
        with database_within(None):
            last = await verify(ground.mongo, kept, report)
    if problems:
        found = "1 problem" if problems == 1 else f"{problems} problems"
        raise click.ClickException(f"the audit log was tampered with: {found} in {last.sequence} entries")
    click.echo(f"{last.sequence} entries, each as it was written; the last one is {last}")


async def _reindex(settings: Settings) -> None:
    from songserver.groundwork import groundwork
    from songserver.storage.reindexing import reindex

    async with groundwork(settings, joins=True) as ground:
        done = await reindex(ground.mongo)
    click.echo(f"{done.songs} songs have {done.words} words; made anew: {done.changed}")


async def _populate(settings: Settings, song_count: int, user_count: int, password: str, seed: int) -> None:
    from songserver.groundwork import groundwork, make_accounts
    from songserver.populate import populate
    from songserver.storage.redirects import Redirects
    from songserver.storage.songs import Songs
    from songserver.storage.vocabulary import Vocabulary

    # No caller waits for an answer, and the indexes of a batch may take a busy MongoDB a while.
    settings = settings.model_copy(update={"mongodb_timeout": max(settings.mongodb_timeout, POPULATE_TIMEOUT)})
    async with groundwork(settings, joins=True) as ground:
        songs, users = await populate(
            Songs(ground.mongo, Vocabulary(ground.mongo), Redirects(ground.mongo)),
            make_accounts(settings, ground.mongo),
            song_count=song_count,
            user_count=user_count,
            password=password,
            seed=seed,
        )
    click.echo(f"made {songs} songs and {users} users" + (f" with the password {password}" if users else ""))
