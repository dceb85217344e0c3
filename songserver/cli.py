"""The operator's command: `songserver`."""

import asyncio
import functools
import secrets
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, Privilege
from songserver import __version__
from songserver.app import SERVICES, Accounts, Running, database, make_accounts, serving
from songserver.auth.keys import KeysError
from songserver.config import Settings, SettingsError
from songserver.engines.grpcio import ListenError
from songserver.errors import SongServerError
from songserver.flags import settings_flags
from songserver.logs import configure_logs
from songserver.rpc import Method
from songserver.storage.embedded import EmbeddedMongoError

ADMIN = "admin"
FORESEEN = (SettingsError, SongServerError, EmbeddedMongoError, KeysError, ListenError)
"""What an operator can mend: told in a line, without a traceback."""


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
    _run(_serve(settings))


@main.command("create-admin")
@click.argument("username")
@click.password_option(envvar="SONGSERVER_ADMIN_PASSWORD", help="Asked for if not given; better not on a command line.")
@settings_flags
def create_admin(settings: Settings, username: str, password: str) -> None:
    """Make an admin account called USERNAME, straight in the database."""
    _run(_create_admin(settings, username, password))
    click.echo(f"made the admin account {username}")


@main.command("export-policy")
def export_policy() -> None:
    """Print who may call what, as the contract says, one method a line."""
    for service in SERVICES:
        for descriptor in service.methods:
            method = Method.of(descriptor)
            click.echo(f"{method.path} {Privilege.Name(method.access).removeprefix('PRIVILEGE_')}")


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except FORESEEN as error:
        raise click.ClickException(str(error)) from error


async def _serve(settings: Settings) -> None:
    configure_logs(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(settings) as running:
        if not settings.mongodb_uri:
            click.echo(f"MongoDB of its own, data in {settings.data_directory / 'mongodb'}")
            await _make_first_admin(running.accounts, settings.data_directory / "admin-password")
        click.echo(f"song server {__version__} listening on {running.address}")
        await stop.wait()
        click.echo("stopping")


async def _make_first_admin(accounts: Accounts, password_file: Path) -> None:
    """On a fresh database of our own there must be someone who can go on."""
    if await accounts.users.has_any():
        return
    password = secrets.token_urlsafe(12)
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(password + "\n")
    await accounts.create(ADMIN, password, PRIVILEGE_ADMIN)
    click.echo(f"made the account {ADMIN!r} with the password {password} (kept in {password_file})")


async def _create_admin(settings: Settings, username: str, password: str) -> None:
    async with database(settings) as mongo:
        await make_accounts(settings, mongo).create(username, password, PRIVILEGE_ADMIN)
