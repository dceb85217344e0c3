"""The workers of `songserver serve`: they share the port, and come and go without anyone noticing."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pymongo
import pytest

from songs.v1 import song_service_pb2 as pb
from songs.v1.song_service_pb2_grpc import SongServiceStub
from tests.operations.conftest import (
    PATIENCE,
    QUICK,
    SONGSERVER,
    Process,
    channel_to,
    is_healthy,
    listens,
    serving,
    until,
)

PASSWORD = "correct horse battery staple"
FAIL = """
import os, pathlib
if "SONGSERVER_CONTROL" in os.environ and pathlib.Path({flag!r}).exists():
    os._exit(3)
"""


def call(channel: grpc.Channel) -> None:
    """Makes a call that is a line in the log."""
    with contextlib.suppress(grpc.RpcError):
        SongServiceStub(channel).GetSong(pb.GetSongRequest(), timeout=PATIENCE)


def who_answered(server: Process) -> set[int]:
    return {line["worker"] for line in server.logged("call")}


def refused(*arguments: str, environment: dict[str, str]) -> str:
    """Runs a server that does not come up; gives what it says on standard error."""
    command = [*SONGSERVER, "serve", *QUICK, *arguments]
    ended = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 1
    assert "listening" not in ended.stdout
    return ended.stderr


@pytest.fixture(scope="module")
def pair(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server with two workers, whose connections grow old in no time."""
    flags = (f"--data-directory={tmp_path_factory.mktemp('pair')}", "--workers=2", "--max-connection-age=0.2")
    environment = {"MONGODB_URI": song_server_mongodb, "SONGSERVER_MONGODB_DATABASE": "test_pair"}
    with serving(*flags, environment=environment) as process:
        yield process
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database("test_pair")


def test_connections_are_spread_over_the_workers(pair: Process) -> None:
    server = pair
    assert len(server.workers()) == 2

    def both_have_answered() -> bool:
        with channel_to(server.address) as channel:
            call(channel)
        return who_answered(server) == {1, 2}

    until(both_have_answered)


def test_a_connection_grows_old_and_moves_on(pair: Process) -> None:
    server = pair
    before = len(server.logged("call"))
    with channel_to(server.address) as channel:

        def both_have_answered() -> bool:
            call(channel)
            return {line["worker"] for line in server.logged("call")[before:]} == {1, 2}

        until(both_have_answered)


def test_a_killed_worker_is_replaced(pair: Process) -> None:
    server = pair
    before = server.workers()
    victim = min(before, key=lambda worker: worker.pid)
    victim.kill()

    until(lambda: bool(server.logged("worker died, restarting it")))
    (died,) = server.logged("worker died, restarting it")
    assert (died["pid"], died["exit_status"]) == (victim.pid, -signal.SIGKILL)
    # Meanwhile the other one has all connections.
    assert all(is_healthy(server.address) for _ in range(5))
    until(lambda: [listens(worker, server.address) for worker in server.workers() - before] == [True])
    assert all(is_healthy(server.address) for _ in range(5))


def test_a_worker_that_cannot_start_is_an_error_at_first_and_later_tried_again(
    arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    flag = tmp_path / "fail"
    flag.touch()
    (tmp_path / "sitecustomize.py").write_text(FAIL.format(flag=str(flag)))
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    said = refused(*arguments, "--listen=127.0.0.1:0", environment=environment)
    assert said.splitlines()[-1].endswith(" ended with exit status 3 at its start")

    flag.unlink()
    with serving(*arguments, environment=environment) as server:
        flag.touch()
        for worker in server.workers():
            worker.kill()
        until(lambda: len(server.logged("a worker cannot serve, trying again")) >= 2)
        flag.unlink()
        until(lambda: any(listens(worker, server.address) for worker in server.workers()))
        assert is_healthy(server.address)


def test_a_second_server_does_not_share_the_port(arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    with serving(*arguments, environment=environment) as server:
        said = refused(*arguments, f"--listen={server.address}", environment=environment)

    assert said == (
        f"Error: cannot listen on {server.address} (another server has it): "
        "set `listen` to an address of this machine that is free\n"
    )


def test_a_unix_socket_has_one_worker(arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path) -> None:
    environment["SONGSERVER_WORKERS"] = ""
    address = f"unix:{tmp_path}/songs.sock"
    with serving(*arguments, f"--listen={address}", environment=environment) as server:
        assert len(server.workers()) == 1
        assert is_healthy(server.address)

    said = refused(*arguments, f"--listen={address}", "--workers=2", environment=environment)
    assert said == ("Error: a Unix socket can be served by one worker only: set workers to 1, or listen to host:port\n")


def test_nothing_outlives_a_killed_supervisor(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with serving(*arguments, "--workers=2") as server:
        left = [*server.workers(), *server.mongods()]
        assert len(left) == 3
        server.kill()
        until(lambda: not any(process.is_running() for process in left))

    with serving(*arguments, f"--listen={server.address}") as again:
        assert is_healthy(again.address)
