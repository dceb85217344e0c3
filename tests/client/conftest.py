"""Both clients for each test, and a server that does what a healthy song server never does.

The tests call `open_client` and run twice: with SongClient, and with AsyncSongClient on a thread of
its own. What only asyncio can do is in test_async_client.py.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from songclient import AsyncSongClient, Privilege, Song, SongClient
from songclient.channel import SERVICES
from songs.v1.status_pb2 import StatusCode
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2 import RefreshSessionResponse, SignInResponse
from songserver.testing import SongServer

NOBODY = "00000000-0000-4000-8000-000000000000"
METHODS = {f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods}

OpenClient = Callable[..., SongClient]
Answer = Callable[[Any, grpc.ServicerContext], Any]


@dataclass
class Scripted(grpc.GenericRpcHandler):
    """Answers each method by the function of its name, and keeps what it was asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, Any, dict[str, Any]]] = field(default_factory=list)
    address: str = ""

    @property
    def calls(self) -> Counter[str]:
        """How often each method was called."""
        return Counter(name for name, _, _ in self.requests)

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Give gRPC the handler of a call."""
        method = METHODS[call.method]
        if method.client_streaming:
            make = grpc.stream_stream_rpc_method_handler
        elif method.server_streaming:
            make = grpc.unary_stream_rpc_method_handler
        else:
            make = grpc.unary_unary_rpc_method_handler
        return make(
            lambda request, context: self._answer(method, request, context),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )

    def _answer(self, method: MethodDescriptor, request: Any, context: grpc.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata())
        self.requests.append((method.name, request, metadata))
        return self.answers[method.name](request, context)

    @staticmethod
    def fail(
        context: grpc.ServicerContext,
        code: StatusCode.ValueType | None,
        status: grpc.StatusCode,
        *details: Message,
        message: str = "it went wrong",
        domain: str = "songs.v1",
        **metadata: str,
    ) -> None:
        """End a call as the song server ends one that fails."""
        rich = Status(code=status.value[0], message=message)
        if code is not None:
            metadata["status_code"] = str(code)
            details = (ErrorInfo(domain=domain, metadata=metadata), *details)
        for detail in details:
            rich.details.add().Pack(detail)
        context.set_trailing_metadata((("grpc-status-details-bin", rich.SerializeToString()),))
        context.abort(status, message)


class Sessions:
    """Begins and renews sessions, and refuses tokens, as the song server does."""

    def __init__(self, scripted: Scripted, life: float = 600) -> None:
        self.life = life
        """Seconds that an access token lasts, as the session says; nothing here ends by itself."""
        self.refuses_refresh = False
        self.good: set[str] = set()
        """Which access tokens are taken."""
        self.scripted = scripted
        self._made = 0
        scripted.answers["SignIn"] = lambda _request, _context: SignInResponse(session=self.next())
        scripted.answers["RefreshSession"] = self._refresh

    def next(self) -> Session:
        """Make a session; the one before is over."""
        self._made += 1
        session = Session(access_token=f"access-{self._made}", refresh_token=f"refresh-{self._made}")
        session.access_token_expire_time.FromNanoseconds(int((time.time() + self.life) * 1e9))
        self.good = {session.access_token}
        return session

    def guard(self, answer: Answer) -> Answer:
        """Let only calls with a good token come to an answer."""

        def guarded(request: Any, context: grpc.ServicerContext) -> Any:
            metadata: dict[str, Any] = dict(context.invocation_metadata())
            if metadata.get("authorization", "").removeprefix("Bearer ") not in self.good:
                self.scripted.fail(context, StatusCode.SIGN_IN_FAILURE, grpc.StatusCode.UNAUTHENTICATED)
            return answer(request, context)

        return guarded

    def _refresh(self, request: Any, context: grpc.ServicerContext) -> RefreshSessionResponse:
        if self.refuses_refresh or request.refresh_token != f"refresh-{self._made}":
            self.scripted.fail(context, StatusCode.SIGN_IN_FAILURE, grpc.StatusCode.UNAUTHENTICATED)
        return RefreshSessionResponse(session=self.next())


class Blocking:
    """An AsyncSongClient whose calls block, run by an event loop on a thread of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

        async def make() -> AsyncSongClient:
            return AsyncSongClient(*args, **options)

        try:
            self._client = self._run(make())
        except ValueError:
            self._stop()
            raise

    def __enter__(self) -> Self:
        self._run(self._client.__aenter__())
        return self

    def __exit__(self, *exc: object) -> None:
        self._run(self._client.__aexit__(*exc))
        self._stop()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **options: Any) -> Any:
            answer = method(*args, **options)
            if isinstance(answer, AsyncIterator):
                return self._iterate(answer)
            return self._run(answer)

        return call

    def _iterate(self, items: Any) -> Iterator[Any]:
        end = object()

        async def step() -> Any:
            return await anext(items, end)

        try:
            while (item := self._run(step())) is not end:
                yield item
        finally:
            self._run(items.aclose())

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(params=[SongClient, Blocking], ids=["sync", "async"])
def open_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., SongClient]]:
    """Makes a client from what SongClient takes; it is closed after the test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(request.param(*args, **options))


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A server that answers as the test tells it."""
    handler = Scripted()
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler], options=[("grpc.so_reuseport", 0)])
    handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield handler
    server.stop(None).wait()


@pytest.fixture
def sessions(scripted: Scripted) -> Sessions:
    """The scripted server's sessions."""
    return Sessions(scripted)


def song(number: int = 1) -> Song:
    return Song(title=f"Orange Horizon {number:03}", artists=["The Harbour Lights"], lyrics="la la")


def open_as(open_client: OpenClient, server: SongServer, privilege: Privilege.ValueType, **options: Any) -> SongClient:
    """Opens a client that signs in as a new user."""
    name = f"user-{privilege}"
    username, password = server.sign_up(name, privilege)
    return open_client(server.address, username=username, password=password, **options)


@pytest.fixture
def editor(open_client: OpenClient, empty_server: SongServer) -> SongClient:
    return open_as(open_client, empty_server, Privilege.PRIVILEGE_EDITOR)


@pytest.fixture
def admin(open_client: OpenClient, empty_server: SongServer) -> SongClient:
    return open_as(open_client, empty_server, Privilege.PRIVILEGE_ADMIN)
