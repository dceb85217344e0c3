"""The client in JavaScript: installed as its README says, then run."""

import shutil
import subprocess
from collections.abc import Sequence

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.song_service_pb2 import ListSongsRequest
from songserver.testing import SongServer
from tests.clients.conftest import BUILD_TIME, CLIENTS, run_session
from tests.conftest import Caller

FOLDER = CLIENTS / "node"

SESSION = """\
signed in: "visitor"
created once: true
got: ["Orange Horizon",[{"key":"musicbrainz","value":"b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d"}]]
imported: ["SUCCESS","SUCCESS","SONG_EXISTS"]
found: ["Orange Horizon"]
refused: "INVALID_ARGUMENT"
reason: "INVALID_SONG_DETAILS"
fields: ["song.track_number","song.isrc"]
trailer: "-3002"
listed and deleted: 3
"""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="needs Node.js and npm"
)


@pytest.fixture(scope="module")
def command() -> Sequence[str]:
    """What starts the client, installed."""
    subprocess.run(["npm", "ci", "--loglevel=error"], cwd=FOLDER, timeout=BUILD_TIME, check=True)
    return ["node", str(FOLDER / "session.js")]


def test_a_session_goes_as_the_contract_says_and_leaves_nothing_behind(
    command: Sequence[str], empty_server: SongServer
) -> None:
    ended = run_session(command, empty_server)
    assert (ended.stdout, ended.stderr, ended.returncode) == (SESSION, "", 0)
    left = Caller.new(empty_server, PRIVILEGE_EDITOR).songs.ListSongs(ListSongsRequest())
    assert not left.songs


def test_it_fails_in_the_servers_words_where_the_password_is_wrong(
    command: Sequence[str], empty_server: SongServer
) -> None:
    ended = run_session(command, empty_server, password="wrong horse")
    assert (ended.stdout, ended.returncode) == ("", 1)
    assert ended.stderr == "16 UNAUTHENTICATED: the user name or the password is wrong\n"


def test_it_fails_where_the_user_may_not_add_songs(command: Sequence[str], empty_server: SongServer) -> None:
    ended = run_session(command, empty_server, PRIVILEGE_LISTENER)
    assert (ended.stdout, ended.returncode) == ('signed in: "visitor"\n', 1)
    assert ended.stderr.startswith("7 PERMISSION_DENIED: ")
