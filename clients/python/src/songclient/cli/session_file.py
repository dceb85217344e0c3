"""Keeps the sessions of signed-in users, one file a server, for nobody else to read."""

import contextlib
import fcntl
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from google.protobuf import json_format

from songclient import Session

RENEWAL_MARGIN = 30.0
"""Seconds before the end of an access token in which a command renews it."""


def sessions_directory() -> Path:
    """Give the directory of the session files.

    `SONGCTL_SESSION`, or songctl/ in the user's state directory (XDG Base Directory Specification).
    """
    if directory := os.environ.get("SONGCTL_SESSION"):
        return Path(directory)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "songctl"


class SessionFile:
    """The session with one server, in a file of mode 0600 in a directory of mode 0700."""

    def __init__(self, directory: Path, address: str) -> None:
        """Keep the session with the server at an address in a directory."""
        self.path = directory / f"{quote(address, safe='')}.json"

    def load(self) -> Session | None:
        """Give the session, or None if there is none that can be read. Raises OSError."""
        try:
            return json_format.Parse(self.path.read_bytes(), Session())
        except (FileNotFoundError, json_format.ParseError, UnicodeDecodeError):
            return None

    def save(self, session: Session | None) -> None:
        """Keep a session in place of the one before; None forgets it. Raises OSError."""
        if session is None:
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another songctl reads the session before or this one, never half a file. mkstemp: 0600.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".session-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json_format.MessageToJson(session, preserving_proto_field_name=True))
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def load_to_renew(self, renewal: contextlib.ExitStack) -> tuple[Session | None, bool]:
        """Give the session, and whether it is about to end, so that the caller is to renew it.

        A refresh token is good for one use, and a second use ends the session. So the first
        songctl that is to renew it holds a lock until `renewal` is closed; those that come
        meanwhile wait, and then find the new session. Raises OSError.
        """
        session = self.load()
        if session is None or not _ends_soon(session):
            return session, False
        file = renewal.enter_context(self.path.with_suffix(".lock").open("w"))
        fcntl.flock(file, fcntl.LOCK_EX)
        session = self.load()
        due = session is not None and _ends_soon(session)
        if not due:
            renewal.close()
        return session, due


def _ends_soon(session: Session) -> bool:
    return session.access_token_expire_time.ToSeconds() < time.time() + RENEWAL_MARGIN
