"""The load generator against a real server: an answer that is not the right one is counted as an error."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import ImportItem, ImportSongsRequest
from songserver.testing import SongServer
from tests.bench.contestants import HERE
from tests.conftest import Caller

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")

BUILD_TIME = 300.0
LISTED = 500
"""Songs on the pages that it asks for."""


@pytest.fixture(scope="module")
def loadgen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator, built."""
    built = tmp_path_factory.mktemp("loadgen") / "loadgen"
    subprocess.run(["go", "build", "-o", built, "."], cwd=HERE / "loadgen", timeout=BUILD_TIME, check=True)
    return built


def load(loadgen: Path, server: SongServer, operation: str, *flags: str, token: str = "") -> dict[str, Any]:
    """Runs it for a moment; gives what it printed."""
    a_moment = ("-in-flight", "4", "-seconds", "500ms", "-warm-up", "50ms")
    ended = subprocess.run(
        [str(loadgen), "-target", server.address, "-operation", operation, *flags, *a_moment],
        env={"LOADGEN_TOKEN": token},
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    )
    counted: dict[str, Any] = json.loads(ended.stdout)
    return counted


@pytest.fixture
def editor(song_server: SongServer) -> Caller:
    return Caller.new(song_server, PRIVILEGE_EDITOR)


@pytest.fixture
def ids(editor: Caller) -> list[str]:
    """The ids of the songs in the catalogue, as many as the load generator lists."""
    songs = [Song(title=f"Song {number}", artists=["Someone"]) for number in range(LISTED)]
    message = ImportSongsRequest(items=[ImportItem(song=song) for song in songs])
    (answer,) = editor.songs.ImportSongs(iter([message]))
    return [result.song_id for result in answer.results]


def arguments(folder: Path, lines: Iterable[str]) -> tuple[str, str]:
    """The flags that give it these arguments to choose from."""
    file = folder / "arguments.txt"
    file.write_text("\n".join(lines))
    return "-arguments", str(file)


@pytest.mark.parametrize("operation", ["GetSong", "ListSongs", "SearchSongs", "CreateSong"])
def test_right_answers_are_counted(
    loadgen: Path, song_server: SongServer, editor: Caller, ids: list[str], tmp_path: Path, operation: str
) -> None:
    flags = arguments(tmp_path, ["song 7"] if operation == "SearchSongs" else ids)
    counted = load(loadgen, song_server, operation, *flags, token=editor.session.access_token)
    assert counted["errors"] == 0, counted["first_error"]
    assert 0 < counted["calls"] <= counted["all_calls"]
    assert 0 < counted["p50_ms"] <= counted["p99_ms"]


def test_a_refusal_is_an_error(loadgen: Path, song_server: SongServer, ids: list[str], tmp_path: Path) -> None:
    counted = load(loadgen, song_server, "GetSong", *arguments(tmp_path, ids))
    assert counted["calls"] == 0
    assert counted["errors"] == counted["all_calls"] > 0
    assert "Unauthenticated" in counted["first_error"]


def test_another_song_than_the_one_asked_for_is_an_error(
    loadgen: Path, song_server: SongServer, editor: Caller, ids: list[str], tmp_path: Path
) -> None:
    # The server takes an id in capitals, and answers with the song as it is.
    flags = arguments(tmp_path, [ids[0].upper()])
    counted = load(loadgen, song_server, "GetSong", *flags, token=editor.session.access_token)
    assert counted["calls"] == 0
    assert counted["first_error"] == f"the answer has {ids[0]} instead of {ids[0].upper()}"


def test_a_page_with_too_few_rows_is_an_error(loadgen: Path, song_server: SongServer, editor: Caller) -> None:
    editor.create()
    counted = load(loadgen, song_server, "ListSongs", token=editor.session.access_token)
    assert counted["calls"] == 0
    assert counted["errors"] > 0
