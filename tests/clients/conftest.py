"""What the tests of the clients in other languages share: a run of a client's session against a live server."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from songs.v1.access_pb2 import PRIVILEGE_EDITOR, Privilege
from songserver.testing import SongServer

CLIENTS = Path(__file__).parents[2] / "clients"
RUN_TIME = 30.0
"""Seconds after which a session has hung."""
BUILD_TIME = 300.0
"""Seconds for what a client needs, with its downloads."""


def run_session(
    command: Sequence[str | Path],
    server: SongServer,
    privilege: Privilege.ValueType = PRIVILEGE_EDITOR,
    password: str | None = None,
    *,
    url: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Runs a client's session as the new user "visitor", with this password instead of the right one if it is given."""
    username, right = server.sign_up("visitor", privilege)
    user = {"SONG_USERNAME": username, "SONG_PASSWORD": password or right}
    return subprocess.run(
        command,
        env={**os.environ, **user, "SONG_SERVER": f"http://{server.address}" if url else server.address},
        capture_output=True,
        text=True,
        timeout=RUN_TIME,
        check=False,
    )
