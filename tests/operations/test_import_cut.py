"""An import that is cut at any moment ends, once it has gone on, with the catalogue of one that was not."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from songclient import Song, SongClient
from tests.operations.conftest import PATIENCE, Process, free_port, serving
from tests.operations.proxy import Direction, Proxy, proxied

ROWS = 5000
BAD = 400
"""Each so many rows there is one without an artist."""
CUT = 75_000
"""Bytes of some 140,000 after which it is cut: in the midst of a message."""
SONGCTL = [sys.executable, "-c", "from songclient.cli import main; main()"]


@dataclass
class Place:
    """A server with its admin, and somebody with files."""

    directory: Path
    port: int
    server: Process

    @classmethod
    @contextmanager
    def new(cls, directory: Path) -> Iterator["Place"]:
        """Runs a server with a MongoDB of its own."""
        port = free_port()
        with serving(f"--data-directory={directory / 'data'}", f"--listen=127.0.0.1:{port}") as server:
            yield cls(directory, port, server)

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def password(self) -> str:
        """The admin's."""
        return (self.directory / "data" / "admin-password").read_text().strip()

    def start(self, address: str, *arguments: str) -> "subprocess.Popen[str]":
        """Starts songctl in the folder of the files, as the admin."""
        environment = {
            **os.environ,
            "SONGCTL_SERVER": address,
            "SONGCTL_SESSION": str(self.directory / "sessions"),
            "SONGCTL_PASSWORD": self.password,
        }
        files = self.directory / "files"
        files.mkdir(exist_ok=True)
        return subprocess.Popen(
            [*SONGCTL, *arguments],
            cwd=files,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def log_in(self, address: str) -> None:
        """Begins a session."""
        login = self.start(address, "login", "admin")
        assert login.wait(PATIENCE) == 0, login.communicate()

    def songs(self) -> list[Song]:
        """All songs, in the order of their creation."""
        with SongClient(self.address, username="admin", password=self.password, timeout=PATIENCE) as client:
            return list(client.export_songs())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Place.new(tmp_path_factory.mktemp("place")) as place:
        yield place


def write_rows(place: Place, name: str, **fields: str) -> None:
    """Writes a table of songs of an artist with the file's name; some rows are bad, or repeat the one before."""
    path = place.directory / "files" / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "artist", *fields])
        for number in range(ROWS):
            bad, repeat = number % BAD == BAD - 1, number % BAD == BAD - 2
            writer.writerow([f"Song {number - repeat}", "" if bad else name, *fields.values()])


def outcome(place: Place, artist: str) -> list[tuple[str, str, str, float]]:
    """What is in the catalogue of an artist; each change of a song has left its mark on the etag."""
    found = [song for song in place.songs() if song.artists[0] == artist]
    return [(song.title, song.etag, song.label, song.bpm) for song in found]


def is_whole(place: Place, name: str, summary: dict[str, Any], **counts: int) -> None:
    """Checks what an import says, and its file of rejected rows."""
    expected = {"read": ROWS, "rejected": ROWS // BAD, "settled_before": 0, **counts}
    assert {key: summary[key] for key in expected} == expected
    with (place.directory / "files" / f"{name}.rejected.csv").open(newline="") as file:
        rows = [int(row["row"]) for row in csv.DictReader(file)]
    assert rows == [number + 1 for number in range(ROWS) if number % BAD == BAD - 1]


def finish(process: "subprocess.Popen[str]") -> tuple[dict[str, Any], str]:
    """Waits for the end of an import; gives its summary, and what it said."""
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, stderr
    return json.loads(stdout), stderr


def importing(place: Place, proxy: Proxy, name: str, existing: str) -> "subprocess.Popen[str]":
    return place.start(proxy.address, "--json", "import", f"{name}.csv", "--existing", existing)


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_an_import_whose_client_is_killed_goes_on_with_the_same_command(place: Place, direction: Direction) -> None:
    """Also where the server has stored songs, and its answers were lost."""
    name = direction.replace(" ", "-")
    write_rows(place, name)
    with proxied(place.address) as proxy:
        place.log_in(proxy.address)
        proxy.hold_after(CUT, direction)
        first = importing(place, proxy, name, "skip")
        assert proxy.held.wait(PATIENCE)
        # Time for what is on its way.
        time.sleep(0.3)
        first.kill()
        first.communicate()
        proxy.cut()

        summary, said = finish(importing(place, proxy, name, "skip"))

        assert "goes on after row " in said
        assert 0 < summary["earlier"] < ROWS
        assert summary["rows_per_second"] == pytest.approx((ROWS - summary["earlier"]) / summary["seconds"], rel=0.1)
        repeats = ROWS // BAD
        is_whole(place, name, summary, created=ROWS - 2 * repeats, already_there=repeats)
        titles = [f"Song {number}" for number in range(ROWS) if number % BAD < BAD - 2]
        assert [title for title, *_ in outcome(place, name)] == titles
        # It is done: now the same command begins anew.
        again, said = finish(importing(place, proxy, name, "skip"))
        assert "goes on" not in said
        assert (again["created"], again["already_there"]) == (0, ROWS - repeats)


@pytest.mark.parametrize(("existing", "count"), [("replace", "replaced"), ("merge", "merged")])
def test_an_import_over_a_network_that_goes_away_changes_each_song_once(
    place: Place, existing: str, count: str
) -> None:
    write_rows(place, existing, label="Old")
    with proxied(place.address) as proxy:
        place.log_in(proxy.address)
        finish(importing(place, proxy, existing, "skip"))
        write_rows(place, existing, label="New", bpm="90")
        proxy.hold_after(CUT, "to server")
        process = importing(place, proxy, existing, existing)
        assert proxy.held.wait(PATIENCE)
        proxy.refuses = True
        proxy.cut()
        time.sleep(0.5)
        assert process.poll() is None
        proxy.refuses = False

        summary, _ = finish(process)

    repeats = ROWS // BAD
    is_whole(place, existing, summary, created=0, unchanged=repeats, **{count: ROWS - 2 * repeats})
    label = "New" if existing == "replace" else "Old"
    titles = [f"Song {number}" for number in range(ROWS) if number % BAD < BAD - 2]
    assert outcome(place, existing) == [(title, "2", label, 90.0) for title in titles]


def test_an_import_goes_on_after_a_server_that_is_killed_with_its_database(tmp_path: Path) -> None:
    with Place.new(tmp_path) as place, proxied(place.address) as proxy:
        write_rows(place, "killed")
        place.log_in(proxy.address)
        proxy.hold_after(CUT, "to server")
        process = importing(place, proxy, "killed", "skip")
        assert proxy.held.wait(PATIENCE)
        place.server.kill()
        proxy.cut()
        with serving(f"--data-directory={tmp_path / 'data'}", f"--listen={place.address}") as place.server:
            summary, _ = finish(process)

            repeats = ROWS // BAD
            is_whole(place, "killed", summary, created=ROWS - 2 * repeats, already_there=repeats)
            titles = [f"Song {number}" for number in range(ROWS) if number % BAD < BAD - 2]
            assert [title for title, *_ in outcome(place, "killed")] == titles
