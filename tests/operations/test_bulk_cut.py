"""A change of many songs that is cut: what was done is done, the audit log says so, and doing it again ends it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass
class Place:
    """A server with a MongoDB of its own, and its admin."""

    server: Process
    client: SongClient
    songs: Collection[dict[str, Any]]
    """As MongoDB has them."""
    environment: dict[str, str]

    def songctl(self, *arguments: str) -> "subprocess.Popen[str]":
        """Starts songctl as the admin."""
        return subprocess.Popen(
            [*SONGCTL, *arguments], env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def answers(self) -> bool:
        """Whether there is a worker."""
        try:
            self.client.get_me()
        except ServerUnavailable:
            return False
        return True


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("place")
    with serving(f"--data-directory={directory}") as server:
        password = (directory / "admin-password").read_text().strip()
        environment = {
            **os.environ,
            "SONGCTL_SERVER": server.address,
            "SONGCTL_SESSION": str(directory / "session"),
            "SONGCTL_PASSWORD": password,
        }
        with (
            SongClient(server.address, username="admin", password=password, timeout=PATIENCE) as client,
            pymongo.MongoClient[dict[str, Any]](asyncio.run(uri_of_running(directory / "mongodb"))) as mongo,
        ):
            mongo.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=1)
            place = Place(server, client, mongo[Settings().mongodb_database]["songs"], environment)
            login = place.songctl("login", "admin")
            assert login.wait(PATIENCE) == 0, login.communicate()
            yield place


@pytest.mark.parametrize(
    ("command", "action", "name", "kept"),
    [
        (("edit-all", "--set", "label=New"), "UpdateSongs", "changed", SONGS),
        (("rm-all",), "DeleteSongs", "deleted", 0),
    ],
    ids=["changed", "removed"],
)
def test_what_was_done_is_done_and_doing_it_again_ends_it(
    place: Place, command: Sequence[str], action: str, name: str, kept: int
) -> None:
    genre = f"to be {name}"
    songs = (Song(title=f"Song {number}", artists=[name], genres=[genre]) for number in range(SONGS))
    assert len(list(place.client.import_songs(songs))) == SONGS
    arguments = [*command, "--genre", genre, "--max", str(SONGS), "--yes"]

    def left() -> int:
        return place.songs.count_documents({"keys.genres": genre, "revision": 1})

    (worker,) = place.server.workers()
    cut = place.songctl(*arguments)
    until(lambda: left() < SONGS)
    worker.kill()

    output, told = cut.communicate(timeout=PATIENCE)
    assert (output, cut.returncode) == ("", 1)
    assert "song server" in told
    assert 0 < left() < SONGS
    until(place.answers)
    (begun,) = place.client.list_audit_events(filter=AuditFilter(action=action))
    assert begun.details["phase"] == "begun"
    assert genre in begun.details["filter"]

    give_up = time.monotonic() + PATIENCE
    while True:
        remaining = left()
        again = place.songctl("--json", *arguments)
        output, told = again.communicate(timeout=PATIENCE)
        if again.returncode == 0:
            break
        # The transaction that the killed worker has left behind ends by its age only.
        assert "try again" in told
        assert time.monotonic() < give_up
    assert f'"{name}": {remaining}' in output
    assert left() == 0
    assert place.songs.count_documents({"keys.genres": genre}) == kept
    ended, *_ = place.client.list_audit_events(filter=AuditFilter(action=action))
    assert dict(ended.details) == {"phase": "ended", name: str(remaining)}
