"""What the tests of the embedded MongoDB share: servers to kill, and looks at what is left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from songserver.storage.embedded import (
    EmbeddedMongo,
    find_mongod,
)

Songs = AsyncCollection[dict[str, Any]]

SERVER = """
import asyncio, sys
from pathlib import Path
from songserver.storage.embedded import EmbeddedMongo

async def serve():
    async with mongo as uri:
        print(mongo.pid, uri, flush=True)
        await asyncio.sleep(60)

async def leave_without_stop():
    uri = await mongo.start()
    print(mongo.pid, uri, flush=True)

mongo = EmbeddedMongo(Path(sys.argv[1]))
asyncio.run(globals()[sys.argv[2]]())
"""


@asynccontextmanager
async def songs_at(uri: str) -> AsyncIterator[Songs]:
    """A collection behind `uri`, which answers as soon as it can be reached."""
    client: AsyncMongoClient[dict[str, Any]]
    async with AsyncMongoClient(uri, serverSelectionTimeoutMS=5000, w="majority", journal=True) as client:
        yield client["test"]["songs"]


@asynccontextmanager
async def running(mongo: EmbeddedMongo) -> AsyncIterator[Songs]:
    async with mongo as uri, songs_at(uri) as songs:
        yield songs


@contextmanager
def server(directory: Path, way: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A server process in a group of its own; with its mongod's pid and URI."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(directory), way],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            pid, uri = process.stdout.readline().split()
            yield process, int(pid), uri
        finally:
            process.kill()


@contextmanager
def orphan(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A mongod that uses the data in `directory` and belongs to no server."""
    lock = directory / "db" / "mongod.lock"
    lock.parent.mkdir()
    command = [str(find_mongod()), "--dbpath", str(lock.parent), "--replSet", "songs"]
    with subprocess.Popen(
        [*command, "--bind_ip", "./orphan.sock", "--nounixsocket"],
        cwd=directory,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            # One that is stopped earlier may not have learnt yet to stop well.
            while not (directory / "orphan.sock").exists() or not lock.exists() or not lock.read_text():
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def is_gone(pid: int, within: float) -> bool:
    """Tells whether `pid` ends `within` so many seconds; a zombie has ended."""
    try:
        process = psutil.Process(pid)
        deadline = time.monotonic() + within
        while process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
    except psutil.NoSuchProcess:
        pass
    return True


async def is_found(songs: Songs, number: int) -> bool:
    """Tells whether song `number` is there and more could be put beside it; False, too, while MongoDB is away."""
    try:
        hello = await songs.database.client.admin.command("hello")
        return hello["isWritablePrimary"] and await songs.find_one({"_id": number}) is not None
    except AutoReconnect:
        return False


def kill(mongo: EmbeddedMongo, number: signal.Signals = signal.SIGKILL) -> int:
    assert mongo.pid is not None
    os.kill(mongo.pid, number)
    return mongo.pid


def hurried(directory: Path) -> EmbeddedMongo:
    """For tests which care for no clean shutdown, as that takes a second."""
    return EmbeddedMongo(directory, stop_timeout=0)
