"""The client in Go: generated and built as its README says, then run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.song_service_pb2 import ListSongsRequest
from songserver.testing import SongServer
from tests.clients.conftest import BUILD_TIME, CLIENTS, run_session
from tests.conftest import Caller

FOLDER = CLIENTS / "go"
PROTOC = Path(sys.executable).with_name("python-grpc-tools-protoc")

SESSION = """\
signed in: visitor
created once: true
got: [Orange Horizon map[musicbrainz:b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d]]
imported: [SUCCESS SUCCESS SONG_EXISTS]
found: [Orange Horizon]
refused: InvalidArgument
reason: INVALID_SONG_DETAILS
fields: [song.track_number song.isrc]
trailer: [-3002]
listed and deleted: 3
"""

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, built."""
    built = tmp_path_factory.mktemp("go") / "session"
    environment = {**os.environ, "PROTOC": str(PROTOC)}
    for command in ["./generate.sh"], ["go", "build", "-o", str(built), "."]:
        subprocess.run(command, cwd=FOLDER, env=environment, timeout=BUILD_TIME, check=True)
    return built


def test_a_session_goes_as_the_contract_says_and_leaves_nothing_behind(program: Path, empty_server: SongServer) -> None:
    ended = run_session([program], empty_server)
    assert (ended.stdout, ended.stderr, ended.returncode) == (SESSION, "", 0)
    left = Caller.new(empty_server, PRIVILEGE_EDITOR).songs.ListSongs(ListSongsRequest())
    assert not left.songs


def test_it_fails_in_the_servers_words_where_the_password_is_wrong(program: Path, empty_server: SongServer) -> None:
    ended = run_session([program], empty_server, password="wrong horse")
    assert (ended.stdout, ended.returncode) == ("", 1)
    assert "code = Unauthenticated desc = the user name or the password is wrong" in ended.stderr


def test_it_fails_where_the_user_may_not_add_songs(program: Path, empty_server: SongServer) -> None:
    ended = run_session([program], empty_server, PRIVILEGE_LISTENER)
    assert (ended.stdout, ended.returncode) == ("signed in: visitor\n", 1)
    assert "create: rpc error: code = PermissionDenied" in ended.stderr
