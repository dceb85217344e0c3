"""What reaches a server from the open internet and is no call: it goes on, on each engine, and logs no secret."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pymongo
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.conftest import grpcio_only, on_envoy
from tests.operations.conftest import PATIENCE, Process, channel_to, is_healthy, serving, until
from tests.security.fuzzing.http2 import Answer, call_frames, exchange, framed, head

GET_SONG = "/songs.v1.SongService/GetSong"
REFUSED = str((grpc.StatusCode.PERMISSION_DENIED if on_envoy else grpc.StatusCode.UNIMPLEMENTED).value[0])
TOKEN = "eyJhbGciOiJFZERTQSJ9.c2VjcmV0"
UNPROTECTED = """
import codecs

register = codecs.register_error
codecs.register_error = lambda name, handler: None if name == "strict" else register(name, handler)
"""
"""Undoes `songserver/engines/grpcio_paths.py` at the start of each process."""


@pytest.fixture(scope="module")
def process(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    name = f"test_{secrets.token_hex(8)}"
    arguments = (f"--data-directory={tmp_path_factory.mktemp('edge')}", f"--mongodb-database={name}")
    with serving(*arguments, environment={"MONGODB_URI": song_server_mongodb}) as process:
        yield process
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database(name)


def call(address: str, path: bytes, *metadata: tuple[bytes, bytes]) -> Answer:
    """Makes a call that no library would make."""
    fields = [(name, path if name == b":path" else value) for name, value in head("", metadata)]
    return exchange(address, call_frames(fields, framed(b"")), wait=5.0)


@pytest.mark.parametrize(
    "path", [b"/\xff\xfe", b"\xc3", GET_SONG.encode() + b"\xff", b"/" + b"\x80" * 4000, b"/%ff%fe"]
)
def test_a_path_that_is_no_text_is_refused_and_the_server_goes_on(process: Process, path: bytes) -> None:
    workers = process.workers()
    for _ in range(3):
        answer = call(process.address, path)
        assert answer.ended
        # Without a slash at its beginning, Envoy says nothing and hangs up.
        assert [fields["grpc-status"] for fields in answer.fields] in ([REFUSED], [] if on_envoy else [REFUSED])
        assert is_healthy(process.address)

    assert process.workers() == workers
    assert not [line for line in process.log if "Traceback" in line]


@grpcio_only
def test_a_worker_whose_grpcio_accepts_no_more_calls_ends_and_another_takes_its_place(
    arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the fault that `grpcio_paths.py` gets around. Does grpcio have it no more? Then that file can go."""
    (tmp_path / "sitecustomize.py").write_text(UNPROTECTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with serving(*arguments, environment=environment) as process:
        (worker,) = process.workers()
        # A call in flight does not keep it.
        with channel_to(process.address) as channel:
            watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
            next(watching)
            call(process.address, b"/\xff\xfe")
            until(lambda: bool(process.logged("worker died, restarting it")))
        until(lambda: process.workers() not in ({worker}, set()))
        until(lambda: is_served(process))

    assert process.logged("grpcio accepts no more calls: this worker ends, for another to take its place")


def is_served(process: Process) -> bool:
    with channel_to(process.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        return bool(check(health_pb2.HealthCheckRequest(), timeout=PATIENCE, wait_for_ready=True))


@pytest.mark.parametrize("value", [b"Bearer " + TOKEN.encode() + b"\xff", b"\x80" + TOKEN.encode()])
def test_metadata_that_is_no_text_is_refused_and_not_logged(process: Process, value: bytes) -> None:
    answer = call(process.address, GET_SONG.encode(), (b"authorization", value), (b"name", TOKEN.encode() + b"\xff"))
    assert is_healthy(process.address)

    (fields,) = answer.fields
    assert fields["song-status-code"] == "-2001"
    until(lambda: "SIGN_IN_FAILURE" in {line["status"] for line in process.logged("call")})
    assert not [line for line in process.log if TOKEN in line or re.search("Traceback|Invalid encoding", line)]
