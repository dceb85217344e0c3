"""`songserver serve`, as an operator meets it: a process that is started, stopped, killed and started again."""

import contextlib
import itertools
import os
import queue
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import psutil
import pymongo
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from songs.v1 import song_service_pb2 as pb
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_service_pb2 import ListUsersRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.config import Settings
from tests.operations.conftest import (
    PATIENCE,
    QUICK,
    SONGSERVER,
    Metadata,
    Process,
    create_song,
    free_port,
    serving,
    sign_in,
    until,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


def admin_password(directory: Path) -> str:
    return (directory / "admin-password").read_text().strip()


def refused(*arguments: str) -> str:
    """Runs a server that does not come up; gives what it says on standard error."""
    ended = subprocess.run(
        [*SONGSERVER, "serve", *QUICK, "--workers=1", "--log-level=error", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stdout == ""
    return ended.stderr


def test_what_a_first_start_makes_a_second_one_finds(directory: Path) -> None:
    with serving(f"--data-directory={directory}") as first, grpc.insecure_channel(first.address) as channel:
        password = admin_password(directory)
        assert first.lines == [
            f"MongoDB of its own, data in {directory}/mongodb",
            f"made the account 'admin' with the password {password} (kept in {directory}/admin-password)",
            f"song server 0.1.0 listening on {first.address}",
        ]
        assert stat.S_IMODE((directory / "admin-password").stat().st_mode) == 0o600
        assert len(first.mongods()) == 1
        admin = sign_in(channel, "admin", password)
        song = create_song(channel, admin, "Kept")
        mongod = first.mongods()[0]

        in_use = refused(f"--data-directory={directory}", "--listen=127.0.0.1:0")
        assert in_use == (
            f"Error: {directory}/mongodb is in use by another server, process {first.pid}: "
            "stop that one, or give this one a directory of its own\n"
        )
        assert mongod.is_running()
    assert not mongod.is_running()

    with serving(f"--data-directory={directory}") as second, grpc.insecure_channel(second.address) as channel:
        assert second.said("made the account") is None
        assert admin_password(directory) == password
        users = UserServiceStub(channel)
        listed = users.ListUsers(ListUsersRequest(), metadata=admin).users
        assert [user.username for user in listed] == ["admin"]
        assert SongServiceStub(channel).GetSong(pb.GetSongRequest(id=song.id), metadata=admin).song == song


def test_a_taken_port_is_an_error_that_leaves_no_mongod_behind(directory: Path) -> None:
    # As grpc does by default: a server that would share its port.
    other = grpc.server(ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    said = refused(f"--listen=127.0.0.1:{port}", f"--data-directory={directory}")
    other.stop(None)

    assert said == (
        f"Error: cannot listen on 127.0.0.1:{port} (another server has it): "
        "set `listen` to an address of this machine that is free\n"
    )
    assert mongods_on(directory) == []


def mongods_on(directory: Path) -> list[int]:
    """The process ids of each mongod whose data is in the directory."""
    found = psutil.process_iter(["name", "cmdline"])
    return [p.pid for p in found if p.info["name"] == "mongod" and str(directory) in " ".join(p.info["cmdline"] or [])]


class OpenImport:
    """An ImportSongs call that stays in flight until it is finished."""

    def __init__(self, channel: grpc.Channel, metadata: Metadata) -> None:
        self._messages: queue.Queue[pb.ImportSongsRequest | None] = queue.Queue()
        self._responses = SongServiceStub(channel).ImportSongs(iter(self._messages.get, None), metadata=metadata)
        self.send("The first")

    def send(self, title: str) -> str:
        """Imports a song; gives its id once it is stored."""
        self._messages.put(pb.ImportSongsRequest(items=[pb.ImportItem(song=Song(title=title, artists=["Someone"]))]))
        (result,) = next(self._responses).results
        return str(result.song_id)

    def finish(self) -> StatusCode:
        """Ends the call from the client's side; gives its status."""
        self._messages.put(None)
        return self.status()

    def status(self) -> StatusCode:
        """Waits for the call's end; gives its status."""
        with contextlib.suppress(grpc.RpcError):
            assert list(self._responses) == []
        return self._responses.code()


class InFlight(NamedTuple):
    """A server that has a call in flight, and somebody who watches its health."""

    server: Process
    directory: Path
    call: OpenImport
    watch: Iterator[health_pb2.HealthCheckResponse]


@pytest.fixture
def in_flight(directory: Path, request: pytest.FixtureRequest) -> Iterator[InFlight]:
    grace = getattr(request, "param", PATIENCE)
    arguments = (f"--data-directory={directory}", f"--shutdown-grace={grace}")
    with serving(*arguments) as server, grpc.insecure_channel(server.address) as channel:
        call = OpenImport(channel, sign_in(channel, "admin", admin_password(directory)))
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        yield InFlight(server, directory, call, watch)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_tells_health_first_and_lets_calls_finish(in_flight: InFlight, number: signal.Signals) -> None:
    in_flight.server.send(number)

    assert [change.status for change in in_flight.watch] == [health_pb2.HealthCheckResponse.NOT_SERVING]
    assert in_flight.call.send("After the signal")
    assert in_flight.call.finish() is StatusCode.OK
    assert in_flight.server.ends(within=5) == 0
    assert in_flight.server.lines[-1] == "stopping"
    assert mongods_on(in_flight.directory) == []


@pytest.mark.parametrize("in_flight", [0.5], indirect=True)
def test_a_call_longer_than_the_grace_is_cut(in_flight: InFlight) -> None:
    in_flight.server.send(signal.SIGTERM)
    begin = time.monotonic()

    assert in_flight.call.status() in {StatusCode.CANCELLED, StatusCode.UNAVAILABLE}
    assert 0.4 < time.monotonic() - begin < 1.5
    assert in_flight.server.ends(within=5) == 0
    assert mongods_on(in_flight.directory) == []


def test_a_second_ctrl_c_does_not_wait_for_calls(in_flight: InFlight) -> None:
    in_flight.server.send(signal.SIGINT)
    until(lambda: in_flight.server.lines[-1] == "stopping")
    in_flight.server.send(signal.SIGINT)

    assert in_flight.server.ends(within=5) == 1
    assert in_flight.server.log[-1] == "Aborted!"
    assert not [line for line in in_flight.server.log if "Traceback" in line]
    assert mongods_on(in_flight.directory) == []


def test_it_ends_with_its_terminal(directory: Path, song_server_mongodb: str) -> None:
    """The signal is that of a reload."""
    terminal, end = os.openpty()
    arguments = (f"--data-directory={directory}", "--listen=127.0.0.1:0", "--mongodb-database=test_terminal")
    server = Process(*arguments, environment={"MONGODB_URI": song_server_mongodb}, stdin=end)
    os.close(end)
    server.until_listening()
    server.send(signal.SIGHUP)
    until(lambda: bool(server.logged("reloaded")))

    os.close(terminal)
    server.send(signal.SIGHUP)
    assert server.ends() == 0
    assert server.lines[-1] == "stopping"


def test_a_stop_does_not_wait_for_a_mongodb_that_is_not_there(directory: Path) -> None:
    uri = f"mongodb://127.0.0.1:{free_port()}"
    server = Process(f"--data-directory={directory}", "--listen=127.0.0.1:0", environment={"MONGODB_URI": uri})
    until(lambda: any("waiting for MongoDB" in line for line in server.log))
    server.send(signal.SIGTERM)

    assert server.ends(within=5) == 1
    assert server.lines == []
    assert server.log[-1] == "Aborted!"


def test_killed_mongod_comes_back_and_a_killed_server_starts_again(directory: Path) -> None:
    """Neither loses what was acknowledged."""
    made: list[str] = []
    with serving(f"--data-directory={directory}") as server, grpc.insecure_channel(server.address) as channel:
        admin = sign_in(channel, "admin", admin_password(directory))
        (mongod,) = server.mongods()
        stop = threading.Event()
        attempts = itertools.count()

        def create() -> None:
            while not stop.is_set():
                try:
                    # A new title each time: what has failed for the client may still be stored.
                    made.append(create_song(channel, admin, f"Song {next(attempts)}").id)
                except grpc.RpcError as error:
                    assert error.code() is StatusCode.UNAVAILABLE or stop.is_set()  # noqa: PT017
                    time.sleep(0.01)

        with ThreadPoolExecutor(1) as threads:
            creating = threads.submit(create)
            until(lambda: len(made) > 20)
            mongod.kill()
            before = len(made)
            until(lambda: len(made) > before + 20)
            assert server.mongods() != [mongod]
            stop.set()
            server.kill()
            creating.result(PATIENCE)
        until(lambda: mongods_on(directory) == [])

        with serving(f"--data-directory={directory}") as again, grpc.insecure_channel(again.address) as fresh:
            results = SongServiceStub(fresh).BatchGetSongs(pb.BatchGetSongsRequest(ids=made), metadata=admin).results
            assert [result.song.id for result in results] == made


def test_with_a_mongodb_of_the_operators_there_is_no_admin(directory: Path, song_server_settings: Settings) -> None:
    assert song_server_settings.mongodb_uri
    uri = song_server_settings.mongodb_uri.get_secret_value()
    name = song_server_settings.mongodb_database
    arguments = (f"--data-directory={directory}", f"--mongodb-database={name}")
    with serving(*arguments, environment={"MONGODB_URI": uri}) as server:
        assert len(server.lines) == 1
        assert server.mongods() == []
        assert [path.name for path in directory.iterdir()] == ["keys"]
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            assert client[name]["users"].count_documents({}) == 0
