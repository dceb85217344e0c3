"""One run of songctl: what its top options said, and how it talks to the server and the person."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import click

from songclient import TLS, SongClient
from songclient.cli.output import Output
from songclient.cli.sessions import SessionFile


class NotSignedInError(click.ClickException):
    """There is no session with the server."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("not signed in: run `songctl login`")


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
        """Give a client of the server in the session that is kept, or in none.

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
            ) as client:
                if due:
                    client.refresh_session()
                # However long the command takes: others need not wait for it.
                renewal.close()
                yield client


pass_run = click.make_pass_decorator(Run)
"""Gives a command the run that it belongs to, as its first argument."""


def confirm(question: str) -> None:
    """Ask before something is lost. Raises click.ClickException if the answer is no."""
    if not click.confirm(question, err=True):
        raise click.ClickException("not removed")
