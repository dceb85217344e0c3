"""SIGHUP: a running server takes new settings, and nobody notices but by their effect."""

import queue
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pymongo
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from songs.v1 import song_service_pb2 as pb
from songs.v1.access_pb2 import PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_service_pb2 import SignUpRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from tests.conftest import on_envoy
from tests.operations.conftest import (
    OWN_CONNECTION,
    PATIENCE,
    Process,
    channel_to,
    has_a_connection,
    is_healthy,
    listens,
    serving,
    sign_in,
    until,
)

PASSWORD = "correct horse battery staple"
PAUSE = 0.01
"""Seconds between two calls of a client: all of them together are a load that leaves the machine some room."""

UNREAD = "UNAVAILABLE: Stream removed (sendmsg: Broken pipe (32))"
"""What gRPC's client now and then makes of the last answer on an old connection to grpcio, with a reload or without: it
writes, is told that nobody reads, and leaves the answer unread. Of TCP it would hear that later."""


class Load(AbstractContextManager["Load"]):
    """Clients that call all the time: some on one connection, some on a new one for each call, and an import."""

    def __init__(self, address: str, username: str) -> None:
        self._address = address
        self._over = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.channel = grpc.insecure_channel(address)
        self._metadata = sign_in(self.channel, username, PASSWORD)
        self._messages: queue.Queue[pb.ImportSongsRequest | None] = queue.Queue()
        self._import = SongServiceStub(self.channel).ImportSongs(
            iter(self._messages.get, None), metadata=self._metadata
        )
        self.send("The first")
        self._threads = ThreadPoolExecutor(8)
        loops = [self._on_one_connection] * 6 + [self._on_new_connections] * 2
        self._running = [self._threads.submit(loop) for loop in loops]

    def send(self, title: str) -> None:
        """Imports a song by the stream that is open since the beginning."""
        self._messages.put(pb.ImportSongsRequest(items=[pb.ImportItem(song=Song(title=title, artists=["Someone"]))]))
        (result,) = next(self._import).results
        assert result.song_id

    def finish_import(self) -> None:
        self._messages.put(None)
        assert list(self._import) == []

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._import.cancel()
        self._messages.put(None)
        self._threads.shutdown()
        self.channel.close()
        for running in self._running:
            running.result()

    def _on_one_connection(self) -> None:
        with grpc.insecure_channel(self._address, OWN_CONNECTION) as channel:
            while not self._over.wait(PAUSE):
                self._call(channel)

    def _on_new_connections(self) -> None:
        while not self._over.wait(PAUSE):
            with grpc.insecure_channel(self._address, OWN_CONNECTION) as channel:
                self._call(channel)

    def _call(self, channel: grpc.Channel) -> None:
        try:
            SongServiceStub(channel).ListSongs(pb.ListSongsRequest(), metadata=self._metadata, timeout=PATIENCE)
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)  # noqa: PT017
            self.outcomes[f"{error.code().name}: {error.details()}"] += 1
        else:
            self.outcomes["OK"] += 1


def sign_up(address: str, name: str) -> int:
    """Makes a user; gives the privilege that it has got."""
    with channel_to(address) as channel:
        request = SignUpRequest(username=name, password=PASSWORD)
        return UserServiceStub(channel).SignUp(request, timeout=PATIENCE).user.privilege


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of settings."""
    file = tmp_path / "songserver.toml"
    file.write_text('sign_up_privilege = "editor"\nmax_connection_age = 0.5\n')
    return file


@pytest.fixture(params=["tcp", "unix"])
def listen(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"unix:{tmp_path}/songs.sock" if request.param == "unix" else "127.0.0.1:0"


def test_a_reload_takes_new_settings_and_no_call_fails(
    arguments: tuple[str, ...], environment: dict[str, str], file: Path, listen: str, tmp_path: Path
) -> None:
    workers = () if listen.startswith("unix:") else ("--workers=2",)
    flags = (
        *arguments,
        *workers,
        f"--config={file}",
        f"--listen={listen}",
        "--shutdown-grace=20",
        "--mongodb-timeout=20",
    )
    with serving(*flags, environment=environment) as server:
        before = server.workers()
        assert sign_up(server.address, "ada") == PRIVILEGE_EDITOR
        with Load(server.address, "ada") as load:
            file.write_text('sign_up_privilege = "listener"\nmax_connection_age = 0.5\n')
            server.send(signal.SIGHUP)
            until(lambda: bool(server.logged("reloaded")))

            assert sign_up(server.address, "grace") == PRIVILEGE_LISTENER
            # Those on old connections, one of which has an import in flight, are still there.
            load.send("After the reload")
            calls = load.outcomes["OK"]
            until(lambda: load.outcomes["OK"] > calls + 50)
            load.finish_import()
        until(lambda: not any(worker.is_running() for worker in before))
        assert len(server.workers()) == len(before)
        assert is_healthy(server.address)
        if listen.startswith("unix:") and not on_envoy:
            load.outcomes.pop(UNREAD, None)
        assert set(load.outcomes) == {"OK"}
    assert not list(tmp_path.glob("songs.sock*"))


def test_an_old_worker_keeps_its_connections_and_takes_no_new_ones(
    arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    """For `max_connection_age`, which is 300 s, unless the server is stopped."""
    with serving(*arguments, environment=environment) as server, channel_to(server.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        (old,) = server.workers()
        server.send(signal.SIGHUP)
        until(lambda: bool(server.logged("reloaded")))
        until(lambda: not listens(old, server.address))
        (new,) = server.workers() - {old}

        assert is_healthy(server.address)
        assert check(health_pb2.HealthCheckRequest(), timeout=PATIENCE).status == health_pb2.HealthCheckResponse.SERVING
        assert has_a_connection(old, server.address)
        assert not has_a_connection(new, server.address)

        server.send(signal.SIGTERM)
        assert server.ends(within=10) == 0
    assert not old.is_running()


def test_a_reload_changes_the_number_of_workers(
    arguments: tuple[str, ...], environment: dict[str, str], file: Path
) -> None:
    environment["SONGSERVER_WORKERS"] = ""
    file.write_text("workers = 1\nmax_connection_age = 0.2\n")
    with serving(*arguments, f"--config={file}", environment=environment) as server:
        file.write_text("workers = 3\nmax_connection_age = 0.2\n")
        server.send(signal.SIGHUP)
        until(lambda: len(server.logged("reloaded")) == 1 and len(server.workers()) == 3)

        file.write_text("workers = 1\nmax_connection_age = 0.2\n")
        server.send(signal.SIGHUP)
        until(lambda: len(server.logged("reloaded")) == 2 and len(server.workers()) == 1)


class Configured(NamedTuple):
    """A server, and a file of settings that it reads again when told to."""

    process: Process
    file: Path


@pytest.fixture(scope="module")
def configured(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configured]:
    directory = tmp_path_factory.mktemp("configured")
    file = directory / "songserver.toml"
    file.write_text("")
    flags = (f"--data-directory={directory}", f"--config={file}", "--max-connection-age=0.2")
    environment = {"MONGODB_URI": song_server_mongodb, "SONGSERVER_MONGODB_DATABASE": "test_configured"}
    with serving(*flags, environment=environment) as process:
        yield Configured(process, file)
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database("test_configured")


def test_a_reload_of_settings_that_cannot_be_used_changes_nothing(configured: Configured) -> None:
    server, file = configured
    before = server.workers()
    file.write_text("max_calls = 0\n")
    server.send(signal.SIGHUP)
    until(lambda: bool(server.logged("settings that cannot be used: all stays as it is")))

    (said,) = server.logged("settings that cannot be used: all stays as it is")
    assert said["reason"].startswith("max_calls: Input should be greater than or equal to 1, not 0 (")
    assert server.workers() == before
    assert is_healthy(server.address)


def test_a_reload_names_the_settings_that_it_does_not_change(configured: Configured) -> None:
    server, file = configured
    file.write_text('metrics_listen = "127.0.0.1:1"\ntoken_issuer = "another"\n')
    server.send(signal.SIGHUP)
    until(lambda: bool(server.logged("reloaded")))

    (said,) = server.logged("settings that change only when the server is started anew")
    assert said["settings"] == ["metrics_listen"]
