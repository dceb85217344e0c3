"""What an operator handles: `songserver` as a process of its own, and a MongoDB that can be taken away."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import grpc
import psutil
import pymongo
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo.errors import PyMongoError

from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import CreateSongRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_service_pb2 import SignInRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.storage.embedded import find_mongod
from tests.conftest import ENGINE
from tests.operations.pairs import Make, Pair

SONGSERVER = (sys.executable, "-m", "songserver")
QUICK = ("--argon2-time-cost=1", "--argon2-memory-cost=8", "--log-format=json")
DEFAULTS = {"SONGSERVER_WORKERS": "1", "SONGSERVER_ENGINE": ENGINE}
"""What a server has for tests that do not care."""
PATIENCE = 60.0
"""Seconds after which a test has waited long enough, on a machine that has a lot to do."""

OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
Metadata: TypeAlias = tuple[tuple[str, str], ...]


def until(condition: Callable[[], bool], *, within: float = PATIENCE) -> None:
    """Waits until a condition holds."""
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"it took more than {within} s"
        time.sleep(0.01)


def free_port() -> int:
    """Gives a port of the loopback interface that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Process:
    """A running `songserver serve`, and all that it prints."""

    def __init__(
        self, *arguments: str, environment: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL
    ) -> None:
        # One that is killed leaves behind what is temporary.
        self._temporary = TemporaryDirectory()
        self._process = subprocess.Popen(
            [*SONGSERVER, "serve", *QUICK, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": self._temporary.name, **DEFAULTS, **(environment or {})},
        )
        self.lines: list[str] = []
        """What it said to the operator."""
        self.log: list[str] = []
        """What it said on standard error."""
        self._readers = [
            threading.Thread(target=self._read, args=source, daemon=True)
            for source in ((self._process.stdout, self.lines), (self._process.stderr, self.log))
        ]
        for reader in self._readers:
            reader.start()
        self.pid = self._process.pid

    def _read(self, source: Any, lines: list[str]) -> None:
        lines.extend(line.rstrip("\n") for line in source)

    def said(self, pattern: str) -> re.Match[str] | None:
        """Finds what it printed."""
        return next(filter(None, (re.search(pattern, line) for line in list(self.lines))), None)

    def until_listening(self) -> "Process":
        """Waits until it serves."""
        until(lambda: self.said("listening on") is not None or self._process.poll() is not None)
        assert self._process.poll() is None, "\n".join(self.log)
        return self

    @property
    def address(self) -> str:
        """Where it listens."""
        line = self.said(r"listening on (\S+)")
        assert line
        return line[1]

    def mongods(self) -> list[psutil.Process]:
        """The MongoDB processes that are its children."""
        return [child for child in psutil.Process(self.pid).children() if child.name() == "mongod"]

    def workers(self) -> set[psutil.Process]:
        """Its workers, whether they serve already or still."""
        children = psutil.Process(self.pid).children()
        return {child for child in children if any("worker" in word for word in _command(child))}

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The events of a name in its log."""
        lines = [json.loads(line) for line in list(self.log) if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def ends(self, within: float = PATIENCE) -> int:
        """Waits for its end; gives its exit code."""
        code = self._process.wait(within)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        """Ends it; gives its exit code."""
        if self._process.poll() is None:
            self.send(signal.SIGTERM)
        return self.ends()

    def kill(self) -> None:
        """Ends it the hard way, if it has not ended yet, and removes what it left."""
        self._process.kill()
        self.ends()
        self._temporary.cleanup()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def serving(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[Process]:
    """Runs `songserver serve` for as long as the block lasts."""
    process = Process("--listen=127.0.0.1:0", *arguments, environment=environment)
    try:
        yield process.until_listening()
        process.stop()
    except BaseException:
        sys.stdout.write("\n".join(process.log))  # for who asks why
        raise
    finally:
        process.kill()


def sign_in(channel: grpc.Channel, username: str, password: str) -> Metadata:
    """Signs in; gives the metadata of further calls."""
    answer = UserServiceStub(channel).SignIn(SignInRequest(username=username, password=password), timeout=PATIENCE)
    return (("authorization", f"Bearer {answer.session.access_token}"),)


def create_song(channel: grpc.Channel, metadata: Metadata, title: str) -> Song:
    """Makes a song."""
    request = CreateSongRequest(song=Song(title=title, artists=["An Artist"]))
    return SongServiceStub(channel).CreateSong(request, metadata=metadata, timeout=PATIENCE).song


class OwnMongod:
    """A MongoDB on a TCP port that nobody looks after: it is there when the test says so."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self._port}/?replicaSet=own"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, on the data that it had."""
        command = [str(find_mongod()), "--dbpath", str(self._directory), "--port", str(self._port)]
        command += ["--replSet", "own", "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]
        # It cuts its oplog at checkpoints only, which it makes every minute by itself.
        command += ["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", "--syncdelay", "1"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def initiate(self) -> None:
        """Makes it a replica set of one, and waits until it takes writes."""
        uri = f"mongodb://127.0.0.1:{self._port}/?directConnection=true"
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{self._port}"}]
            client.admin.command("replSetInitiate", {"_id": "own", "members": members})
        until(self.takes_writes)

    def takes_writes(self) -> bool:
        """Whether it is the primary of its replica set."""
        uri = f"mongodb://127.0.0.1:{self._port}/?directConnection=true&serverSelectionTimeoutMS=500"
        try:
            with pymongo.MongoClient[dict[str, Any]](uri) as client:
                return bool(client.admin.command("hello")["isWritablePrimary"])
        except PyMongoError:
            return False

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self._process
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it the hard way."""
        assert self._process
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def own_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMongod]:
    """A running MongoDB of the test's own."""
    mongod = OwnMongod(tmp_path_factory.mktemp("own-mongod"))
    mongod.start()
    mongod.initiate()
    yield mongod
    mongod.kill()


@pytest.fixture
def environment(song_server_mongodb: str) -> Iterator[dict[str, str]]:
    """Names a database that is dropped at the end."""
    name = f"test_{os.urandom(8).hex()}"
    yield {"MONGODB_URI": song_server_mongodb, "SONGSERVER_MONGODB_DATABASE": name}
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database(name)


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[str, ...]:
    return (f"--data-directory={tmp_path}",)


def channel_to(address: str) -> grpc.Channel:
    """Gives a channel with a connection of its own, which may be to any worker."""
    return grpc.insecure_channel(address, OWN_CONNECTION)


def is_healthy(address: str) -> bool:
    with channel_to(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def listens(process: psutil.Process, address: str) -> bool:
    """Whether a process listens at an address."""
    return "LISTEN" in _states(process, address)


def has_a_connection(process: psutil.Process, address: str) -> bool:
    """Whether a process has a connection that came to an address."""
    return "ESTABLISHED" in _states(process, address)


def _states(process: psutil.Process, address: str) -> set[str]:
    port = int(address.rpartition(":")[2])
    return {found.status for found in process.net_connections("tcp") if found.laddr.port == port}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda name, **options: Pair(tmp_path, name, **options)


@pytest.fixture
def authority(make: Make) -> Pair:
    return make("authority")
