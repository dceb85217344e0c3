"""A change of many songs that is cut: what was done is done, the audit log says so, and doing it again ends it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.collection import Collection

from songclient import AuditFilter, ServerUnavailable, Song, SongClient
from songserver.config import Settings
from songserver.storage.embedded import uri_of_running
from tests.operations.conftest import PATIENCE, Process, serving, until

SONGCTL = [sys.executable, "-c", "from songclient.cli import main; main()"]
SONGS = 3000


@pytest.fixture
def server(arguments: tuple[str, ...]) -> Iterator[Process]:
    """A server with a MongoDB of its own."""
    with serving(*arguments) as process:
        yield process


@pytest.fixture
def client(server: Process, tmp_path: Path) -> Iterator[SongClient]:
    """Its admin, with songs."""
    password = (tmp_path / "admin-password").read_text().strip()
    with SongClient(server.address, username="admin", password=password, timeout=PATIENCE) as client:
        songs = (Song(title=f"Song {number}", artists=["Somebody"], genres=["Old"]) for number in range(SONGS))
        assert len(list(client.import_songs(songs))) == SONGS
        yield client


@pytest.fixture
def songs(server: Process, tmp_path: Path) -> Iterator[Collection[dict[str, Any]]]:
    """The songs as MongoDB has them."""
    assert server.mongods()
    with pymongo.MongoClient[dict[str, Any]](asyncio.run(uri_of_running(tmp_path / "mongodb"))) as mongo:
        yield mongo[Settings().mongodb_database]["songs"]


def songctl(server: Process, directory: Path, arguments: Sequence[str]) -> "subprocess.Popen[str]":
    """Starts songctl as the admin."""
    environment = {
        **os.environ,
        "SONGCTL_SERVER": server.address,
        "SONGCTL_SESSION": str(directory / "session"),
        "SONGCTL_PASSWORD": (directory / "admin-password").read_text().strip(),
    }
    return subprocess.Popen(
        [*SONGCTL, *arguments], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def answers(client: SongClient) -> bool:
    """Whether there is a worker again."""
    try:
        client.get_me()
    except ServerUnavailable:
        return False
    return True


@pytest.mark.parametrize(
    ("command", "done", "name"),
    [
        (("edit-all", "--genre", "Old", "--set", "genre=New"), {"keys.genres": "new"}, "changed"),
        (("rm-all", "--genre", "Old"), {}, "deleted"),
    ],
    ids=["changed", "removed"],
)
def test_what_was_done_is_done_and_doing_it_again_ends_it(
    server: Process,
    client: SongClient,
    songs: Collection[dict[str, Any]],
    tmp_path: Path,
    command: Sequence[str],
    done: dict[str, str],
    name: str,
) -> None:
    def left() -> int:
        return songs.count_documents({"keys.genres": "old"})

    action = {"changed": "UpdateSongs", "deleted": "DeleteSongs"}[name]
    login = songctl(server, tmp_path, ["login", "admin"])
    assert login.wait(PATIENCE) == 0, login.communicate()
    (worker,) = server.workers()
    cut = songctl(server, tmp_path, [*command, "--max", str(SONGS), "--yes"])
    until(lambda: left() < SONGS)
    worker.kill()

    output, told = cut.communicate(timeout=PATIENCE)
    assert (output, cut.returncode) == ("", 1)
    assert "song server" in told
    remaining = left()
    assert 0 < remaining < SONGS
    until(lambda: answers(client))
    (begun,) = client.list_audit_events(filter=AuditFilter(action=action))
    assert begun.details["phase"] == "begun"
    assert "Old" in begun.details["filter"]

    again = songctl(server, tmp_path, ["--json", *command, "--max", str(SONGS), "--yes"])
    output, told = again.communicate(timeout=PATIENCE)
    assert (again.returncode, told) == (0, "")
    assert f'"{name}": {remaining}' in output
    assert left() == 0
    assert songs.count_documents(done) == (SONGS if done else 0)
    ended, *_ = client.list_audit_events(filter=AuditFilter(action=action))
    assert dict(ended.details) == {"phase": "ended", name: str(remaining)}
