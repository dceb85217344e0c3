"""What the tests of the server share: a server, callers of it with every privilege, and what a failed call says.

`server` is one for all tests that can live with what others leave in it; `empty_server` is emptied for each test;
`song_server` is a fresh one for one test.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import grpc
import hypothesis
import pymongo
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from pydantic import SecretStr

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, PRIVILEGE_LISTENER, Privilege
from songs.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from songs.v1.audit_service_pb2_grpc import AuditServiceStub
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import CreateSongRequest, GetSongRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_pb2 import Session, User
from songs.v1.user_service_pb2 import GetMeRequest, SignInRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.config import Settings
from songserver.engines import envoy
from songserver.sources import TEST_ENGINE_VARIABLE
from songserver.testing import MONGODB_TIMEOUT, SongServer, running_server

ENGINE = os.environ.get(TEST_ENGINE_VARIABLE) or "grpcio"
"""What carries the calls."""
on_envoy = ENGINE == "envoy"
"""Whether that is Envoy; else it is grpcio in the process of the tests."""
# What no engine has a part in, or calls through songctl only, which README's commands do on both.
collect_ignore = ["auth", "bench", "storage", "docs/test_accounts.py", "docs/test_catalogue.py"] if on_envoy else []
in_process = pytest.mark.skipif(on_envoy, reason="looks into the server, which is another process here")
grpcio_only = pytest.mark.skipif(on_envoy, reason="is about what only grpcio has")


def pytest_configure() -> None:
    """Lets hypothesis take the time that it takes: how busy the machine is says nothing of an example.

    With `--hypothesis-profile=thorough` it looks further. And has coverage measured in Envoy too.
    """
    hypothesis.settings.register_profile("patient", deadline=None, print_blob=True)
    hypothesis.settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=250)
    hypothesis.settings.load_profile("patient")
    if coverage.Coverage.current():
        envoy.APP = "tests.covered:worker"


class Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Sends an access token with every call."""

    def __init__(self, token: str) -> None:
        self.header = ("authorization", f"Bearer {token}")

    def _send(self, proceed: Callable[..., Any], details: Any, request: Any) -> Any:
        return proceed(details._replace(metadata=[*(details.metadata or ()), self.header]), request)

    # It does for all.
    intercept_unary_unary = intercept_unary_stream = intercept_stream_stream = _send  # type: ignore[assignment]


class Caller:
    """Somebody who calls a server, signed in or not."""

    def __init__(self, channel: grpc.Channel, session: Session | None = None) -> None:
        self.channel = channel
        self.session = session or Session()
        token = self.session.access_token
        signed = grpc.intercept_channel(channel, Bearer(token)) if token else channel
        self.songs = SongServiceStub(signed)
        self.users = UserServiceStub(signed)
        self.api_keys = ApiKeyServiceStub(signed)
        self.audit = AuditServiceStub(signed)

    @classmethod
    def sign_in(cls, server: SongServer, username: str, password: str) -> "Caller":
        """Begins a session."""
        answer = UserServiceStub(server.channel()).SignIn(SignInRequest(username=username, password=password))
        return cls(server.channel(), answer.session)

    @classmethod
    def new(cls, server: SongServer, privilege: Privilege.ValueType) -> "Caller":
        """Signs in as a new user with a privilege."""
        return cls.sign_in(server, *server.sign_up(f"user-{secrets.token_hex(6)}", privilege))

    def me(self) -> User:
        """Gets the account."""
        return self.users.GetMe(GetMeRequest()).user

    def create(self, title: str = "A Song", request_id: str = "", **fields: Any) -> Song:
        """Adds a song; of an artist of the test's own, so that it is not the same as any other, unless one is given."""
        song = Song(title=title, **{"artists": [f"Artist {secrets.token_hex(6)}"], **fields})
        return self.songs.CreateSong(CreateSongRequest(song=song, request_id=request_id)).song

    def get(self, song_id: str) -> Song:
        """Gets a song."""
        return self.songs.GetSong(GetSongRequest(id=song_id)).song


@dataclass(frozen=True)
class Failure:
    """How a call failed, in all the places that tell of it."""

    status: grpc.StatusCode
    message: str
    info: ErrorInfo
    bad_request: BadRequest
    retry: RetryInfo
    trailers: dict[str, Any]

    @property
    def code(self) -> str:
        """The name of our code."""
        return str(self.info.reason)

    @property
    def fields(self) -> list[str]:
        """The fields that break a rule."""
        return [violation.field for violation in self.bad_request.field_violations]

    @property
    def rich(self) -> bytes:
        """The status with its details, as on the wire."""
        rich: bytes = self.trailers["grpc-status-details-bin"]
        return rich


def failure(call: Callable[..., Any], request: Any, **options: Any) -> Failure:
    """Makes a call that must fail; gives how it did."""
    with pytest.raises(grpc.RpcError) as caught:
        _finish(call(request, **{"timeout": 20, **options}))
    return read_failure(caught.value)


def _finish(answer: Any) -> None:
    if not isinstance(answer, Message | bytes):
        list(answer)


def read_failure(error: Any) -> Failure:
    """Reads the error of a failed call."""
    trailers = dict(error.trailing_metadata() or ())
    info, bad_request, retry = known = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in Status.FromString(trailers.get("grpc-status-details-bin", b"")).details:
        assert any(detail.Unpack(message) for message in known)
    return Failure(error.code(), error.details(), info, bad_request, retry, trailers)


@contextmanager
def lasting_server(mongodb: str, directory: Path, **changes: Any) -> Iterator[SongServer]:
    """Runs a server for many tests, on a database that is dropped at the end."""
    name = f"test_{secrets.token_hex(8)}"
    settings = Settings(
        listen="127.0.0.1:0",
        data_directory=directory,
        mongodb_uri=SecretStr(mongodb),
        mongodb_database=name,
        argon2_time_cost=1,
        argon2_memory_cost=8,
        sign_in_failures_by_peer=1000,
        shutdown_grace=1.0,
        **{"mongodb_timeout": MONGODB_TIMEOUT, **changes},
    )
    with running_server(settings) as server:
        yield server
    with pymongo.MongoClient[dict[str, Any]](mongodb) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def server(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """A server that all tests of the session share."""
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest.fixture(scope="session")
def reused_server(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """The server behind `empty_server`."""
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("reused")) as server:
        yield server


@pytest.fixture
def empty_server(reused_server: SongServer) -> SongServer:
    """A server without songs and users: one for all such tests, emptied for each, which is quicker than a start."""
    settings = reused_server.settings
    assert settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        # The server remembers which words it has noted in the vocabulary; there may be more of them than songs have.
        for name in set(database.list_collection_names()) - {"vocabulary"}:
            database[name].delete_many({})
        # Where the audit log begins.
        database["audit_head"].insert_one({"_id": "head", "turns": 0})
    return reused_server


@pytest.fixture
def anyone(server: SongServer) -> Caller:
    """Somebody who is not signed in."""
    return Caller(server.channel())


@pytest.fixture
def listener(server: SongServer) -> Caller:
    """A new listener."""
    return Caller.new(server, PRIVILEGE_LISTENER)


@pytest.fixture
def editor(server: SongServer) -> Caller:
    """A new editor."""
    return Caller.new(server, PRIVILEGE_EDITOR)


@pytest.fixture
def admin(server: SongServer) -> Caller:
    """A new admin."""
    return Caller.new(server, PRIVILEGE_ADMIN)
