"""A pytest plugin: a real song server for the tests of whoever calls one.

    def test_my_client(song_server):
        client = MyClient(song_server.address, token=song_server.token(PRIVILEGE_EDITOR))

The server runs in the test's own process, in a thread, on a free port of the loopback interface, over a real MongoDB:
one of its own for the whole session or, if `SONGSERVER_TEST_MONGODB_URI` names one, that. Each test has a fresh
database. With `SONGSERVER_TEST_ENGINE=envoy` calls are carried by Envoy, a process of its own.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import grpc
import pymongo
import pytest
import structlog
from pydantic import SecretStr

from songs.v1.access_pb2 import PRIVILEGE_LISTENER, Privilege
from songs.v1.user_service_pb2 import SignInRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.accounts import Accounts
from songserver.certificates import read_certificates
from songserver.config import Settings
from songserver.engines.addresses import reserved
from songserver.engines.grpcio_worker import carrying
from songserver.groundwork import groundwork, make_accounts
from songserver.logs import CONSOLE, SHARED
from songserver.lookout import Lookout
from songserver.sources import TEST_ENGINE_VARIABLE, TEST_MONGODB_VARIABLE
from songserver.storage.embedded import EmbeddedMongo
from songserver.worker import ServingStatus
from songserver.worker_process import WorkerProcess

T = TypeVar("T")

PASSWORD = "correct horse battery staple"  # noqa: S105 - of users that live for one test
START_TIME = 60.0
MONGODB_TIMEOUT = 10.0
"""Seconds: on a machine that is busy with tests, an operation may take longer than a user would wait."""


def pytest_configure() -> None:
    """Shows the server's log with the tests, unless they have set structlog up themselves."""
    if not structlog.is_configured():
        structlog.configure(processors=[*SHARED, CONSOLE])


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs for a test."""

    address: str
    """Where it listens, host:port."""
    accounts: Accounts


class SongServer:
    """A running server, for a test to call."""

    def __init__(self, settings: Settings, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.address = running.address
        """Where it listens, `host:port`, without TLS."""
        self._running = running
        self._loop = loop
        self._channel = grpc.insecure_channel(self.address)

    def channel(self) -> grpc.Channel:
        """Gives a channel to the server, which is closed with it."""
        return self._channel

    def sign_up(self, username: str, privilege: Privilege.ValueType = PRIVILEGE_LISTENER) -> tuple[str, str]:
        """Makes a user with any privilege; gives the name and the password."""
        self._run(self._running.accounts.create(username, PASSWORD, privilege))
        return username, PASSWORD

    def token(self, privilege: Privilege.ValueType = PRIVILEGE_LISTENER) -> str:
        """Gives an access token of a new user with a privilege."""
        username, password = self.sign_up(f"user-{secrets.token_hex(6)}", privilege)
        answer = UserServiceStub(self._channel).SignIn(SignInRequest(username=username, password=password))
        return answer.session.access_token

    def metadata(self, privilege: Privilege.ValueType = PRIVILEGE_LISTENER) -> tuple[tuple[str, str], ...]:
        """Gives the metadata of calls that a new user with a privilege makes."""
        return (("authorization", f"Bearer {self.token(privilege)}"),)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_TIME)


@contextmanager
def running_server(settings: Settings) -> Iterator[SongServer]:
    """Runs a server with these settings in a thread of this process, or in a worker if Envoy is to carry the calls.

    Raises:
        Exception: Whatever keeps it from starting.
    """
    if engine := os.environ.get(TEST_ENGINE_VARIABLE):
        settings = settings.model_copy(update={"engine": engine})
    serving = _serving_in_a_worker if settings.engine == "envoy" else _serving_here
    started: Future[tuple[Running, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        try:
            async with serving(settings) as running:
                stop = asyncio.Event()
                started.set_result((running, asyncio.get_running_loop(), stop))
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="song-server", daemon=True)
    thread.start()
    running, loop, stop = started.result(START_TIME)
    server = SongServer(settings, running, loop)
    try:
        yield server
    finally:
        server.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_TIME)


@asynccontextmanager
async def _serving_here(settings: Settings) -> AsyncIterator[Running]:
    """Runs a whole server in this process: the groundwork, and one that carries calls."""
    async with AsyncExitStack() as stack:
        mongo = (await stack.enter_async_context(groundwork(settings))).mongo
        accounts = make_accounts(settings, mongo)
        stack.callback(accounts.passwords.close)
        certificates = read_certificates(settings)
        carried = await stack.enter_async_context(carrying(settings, mongo, accounts, certificates))
        lookout = Lookout(mongo, carried.health.tell)
        stack.push_async_callback(lookout.stop)
        await lookout.start()
        yield Running(carried.address, accounts)


@asynccontextmanager
async def _serving_in_a_worker(settings: Settings) -> AsyncIterator[Running]:
    """Runs a whole server as a supervisor does, with one worker."""
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(groundwork(settings))
        accounts = make_accounts(settings, ground.mongo)
        stack.callback(accounts.passwords.close)
        address = stack.enter_context(reserved(settings.listen))
        settings = settings.model_copy(update={"listen": address})
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="songserver-")))
        certificates = read_certificates(settings)
        worker = await WorkerProcess.start(1, settings, certificates, folder, {})
        stack.push_async_callback(worker.kill)

        async def tell(status: ServingStatus) -> None:
            worker.tell_health(status)

        await worker.serve(settings, ground.mongodb_uri, certificates, "SERVING")
        stack.push_async_callback(worker.drain, settings.shutdown_grace)
        lookout = Lookout(ground.mongo, tell)
        stack.push_async_callback(lookout.stop)
        await lookout.start()
        yield Running(address, accounts)


@pytest.fixture(scope="session")
def song_server_mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a MongoDB for the whole session."""
    if uri := os.environ.get(TEST_MONGODB_VARIABLE):
        yield uri
        return
    # Its data are worth no clean shutdown, which takes a second.
    mongod = EmbeddedMongo(tmp_path_factory.mktemp("mongodb"), stop_timeout=0.0)
    uri = asyncio.run(mongod.start())
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        # Dropping a database waits for the journal: by itself that is written every 100 ms.
        client.admin.command("setParameter", 1, journalCommitInterval=20)
    yield uri
    asyncio.run(mongod.stop())


@pytest.fixture
def song_server_settings(song_server_mongodb: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings for one test: a database of its own, which is dropped at the end, and quick passwords."""
    name = f"test_{secrets.token_hex(8)}"
    yield Settings(
        listen="127.0.0.1:0",
        data_directory=tmp_path / "song-server",
        mongodb_uri=SecretStr(song_server_mongodb),
        mongodb_database=name,
        mongodb_timeout=MONGODB_TIMEOUT,
        argon2_time_cost=1,
        argon2_memory_cost=8,
        sign_in_failures_by_peer=1000,  # all tests call from one address
        shutdown_grace=1.0,
    )
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database(name)


@pytest.fixture
def song_server(song_server_settings: Settings) -> Iterator[SongServer]:
    """A running server with an empty catalogue and no users."""
    with running_server(song_server_settings) as server:
        yield server
