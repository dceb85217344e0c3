"""One run of songctl: what its top options said, and how it talks to the server and the person."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import click

from songclient import TLS, SongClient
from songclient.cli.output import Output
from songclient.cli.session_file import SessionFile

API_KEY_VARIABLE = "SONGCTL_API_KEY"
USER_AGENT = f"songctl/{version('song-client')}"
"""What `songctl sessions list` calls this program."""


class NotSignedInError(click.ClickException):
    """There is no session with the server."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(f"not signed in: run `songctl login`, or set {API_KEY_VARIABLE}")


@dataclass(frozen=True)
class Run:
    """What every command works with."""

    address: str
    """The server, "host:port"."""
    tls: TLS | None
    """How the connection is secured; None for none."""
    timeout: float
    """The deadline of a call, in seconds."""
    output: Output
    """Where results go."""
    session: SessionFile
    """Where the session with this server is kept."""

    @contextlib.contextmanager
    def connect(self, *, signed_in: bool = True) -> Iterator[SongClient]:
        """Give a client with the API key of the environment, or else in the session that is kept; or with neither.

        Raises what `resume` does.
        """
        if (api_key := os.environ.get(API_KEY_VARIABLE)) and signed_in:
            with SongClient(
                self.address, api_key=api_key, tls=self.tls, timeout=self.timeout, user_agent=USER_AGENT
            ) as client:
                yield client
        else:
            with self.resume(signed_in=signed_in) as client:
                yield client

    @contextlib.contextmanager
    def resume(self, *, signed_in: bool = True) -> Iterator[SongClient]:
        """Give a client in the session that is kept, or in none.

        New sessions are kept. Raises NotSignedInError if there is no session to go on with, and
        SignInFailed if it was about to end and cannot be renewed.
        """
        with contextlib.ExitStack() as renewal:
            session, due = self.session.load_to_renew(renewal) if signed_in else (None, False)
            if signed_in and session is None:
                raise NotSignedInError
            with SongClient(
                self.address,
                session=session,
                on_session=self.session.save,
                tls=self.tls,
                timeout=self.timeout,
                user_agent=USER_AGENT,
            ) as client:
                if due:
                    client.refresh_session()
                # However long the command takes: others need not wait for it.
                renewal.close()
                yield client


pass_run = click.make_pass_decorator(Run)
"""Gives a command the run that it belongs to, as its first argument."""


def confirm(question: str, otherwise: str = "not removed") -> None:
    """Ask before something is lost. Raises click.ClickException with what is so otherwise."""
    if not click.confirm(question, err=True):
        raise click.ClickException(otherwise)
