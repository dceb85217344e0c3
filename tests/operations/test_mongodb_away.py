"""MongoDB goes away under a running server, in one of two ways, and comes back; clients call on all the while."""

import functools
import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from pydantic import SecretStr

from songs.v1 import song_service_pb2 as pb
from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_service_pb2 import SignInRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.config import Settings
from songserver.testing import SongServer, running_server
from tests.operations.conftest import OwnMongod, until

pytestmark = pytest.mark.alone

NOTICED = 2.0
"""Seconds within which every call is answered, and health has noticed."""
WELL = 1.0
"""Seconds after its return from which on all calls succeed."""
NOISE = 0.25
"""Seconds that a busy machine adds to what is measured."""
IMPATIENT = 0.4
"""Seconds of the deadline of a caller who does not wait."""
CALLS = {"get", "list", "search", "create", "sign in", "import"}
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Answer(NamedTuple):
    """What became of a call."""

    call: str
    started: float
    ended: float
    status: StatusCode
    reason: str = ""
    """The code's name in `ErrorInfo`."""
    retry: bool = False
    """Whether there was a `RetryInfo`."""


class Clients:
    """Clients that call again and again, each in a thread of its own, and write down what they are answered."""

    def __init__(self, server: SongServer) -> None:
        self.answers: list[Answer] = []
        self.checked: list[tuple[float, Any]] = []
        """Answers of health's Check, and when they came."""
        self.watched: list[tuple[float, Any]] = []
        """The same of Watch."""
        self.song_ids: list[str] = []
        """Songs whose making was acknowledged."""
        self._metadata = server.metadata(PRIVILEGE_EDITOR)
        self._over = threading.Event()
        self._titles = (f"Song {number}" for number in itertools.count())
        self._songs = SongServiceStub(server.channel())
        self._health = health_pb2_grpc.HealthStub(server.channel())
        username, password = server.sign_up("ada")
        credentials = SignInRequest(username=username, password=password)
        users = UserServiceStub(server.channel())
        get = pb.GetSongRequest(id=self._create())
        calls: dict[str, Callable[[], object]] = {
            "get": lambda: self._songs.GetSong(get, metadata=self._metadata),
            "list": lambda: self._songs.ListSongs(pb.ListSongsRequest(), metadata=self._metadata),
            "search": lambda: self._songs.SearchSongs(pb.SearchSongsRequest(query="so"), metadata=self._metadata),
            "create": self._create,
            "sign in": lambda: users.SignIn(credentials),
            "impatient": lambda: self._songs.GetSong(get, metadata=self._metadata, timeout=IMPATIENT),
        }
        self._threads = ThreadPoolExecutor(16)
        self._work = [self._threads.submit(self._repeat, name, call) for name, call in calls.items()]
        self._work += [self._threads.submit(work) for work in (self._import, self._check, self._watch)]

    def burst(self) -> None:
        """Sends so many calls at once that they are in flight for a while."""
        for _ in range(200):
            started = time.monotonic()
            call = self._songs.ListSongs.future(pb.ListSongsRequest(), metadata=self._metadata)
            call.add_done_callback(functools.partial(self._ended, "burst", started))

    def close(self) -> None:
        """Ends the clients, and raises what went wrong in them."""
        self._over.set()
        self._watching.cancel()
        for work in self._work:
            work.result(10)
        self._threads.shutdown()

    def _create(self) -> str:
        request = pb.CreateSongRequest(song=Song(title=next(self._titles), artists=["Somebody"]))
        song_id: str = self._songs.CreateSong(request, metadata=self._metadata).song.id
        self.song_ids.append(song_id)
        return song_id

    def _repeat(self, name: str, call: Callable[[], object]) -> None:
        while not self._over.wait(0.02):
            started = time.monotonic()
            try:
                call()
            except grpc.RpcError as error:
                self._ended(name, started, error)
            else:
                self.answers.append(Answer(name, started, time.monotonic(), StatusCode.OK))

    def _import(self) -> None:
        """Sends a message, waits for its results, and so on; goes on with another stream when one breaks."""
        sent = 0.0

        def messages(answered: threading.Event) -> Iterator[pb.ImportSongsRequest]:
            nonlocal sent
            while not self._over.wait(0.02):
                answered.wait()
                answered.clear()
                sent = time.monotonic()
                item = pb.ImportItem(song=Song(title=f"Imported {sent}", artists=["Somebody"]))
                yield pb.ImportSongsRequest(items=[item])

        while not self._over.is_set():
            answered = threading.Event()
            answered.set()
            try:
                for response in self._songs.ImportSongs(messages(answered), metadata=self._metadata):
                    self.song_ids += [result.song_id for result in response.results]
                    self.answers.append(Answer("import", sent, time.monotonic(), StatusCode.OK))
                    answered.set()
            except grpc.RpcError as error:
                self._ended("import", sent, error)
                answered.set()

    def _check(self) -> None:
        while not self._over.wait(0.05):
            status = self._health.Check(health_pb2.HealthCheckRequest()).status
            self.checked.append((time.monotonic(), status))

    def _watch(self) -> None:
        self._watching = self._health.Watch(health_pb2.HealthCheckRequest(service="songs.v1.SongService"))
        try:
            for change in self._watching:
                self.watched.append((time.monotonic(), change.status))
        except grpc.RpcError as error:
            assert error.code() == StatusCode.CANCELLED  # noqa: PT017 - by `close`

    def _ended(self, name: str, started: float, call: Any) -> None:
        ended = time.monotonic()
        rich = rpc_status.from_call(call)
        info, retry = ErrorInfo(), RetryInfo()
        for detail in rich.details if rich else ():
            detail.Unpack(info)
            detail.Unpack(retry)
        self.answers.append(Answer(name, started, ended, call.code(), info.reason, retry.retry_delay.seconds > 0))


class Outage(NamedTuple):
    """What clients saw of one. Times are seconds of the monotonic clock."""

    away: float
    back: float
    clients: Clients
    lost: list[str]
    """Ids of songs whose making was acknowledged, and that are not there after all."""

    def failures(self) -> list[Answer]:
        """The answers to patient callers that are errors."""
        return [a for a in self.clients.answers if a.status is not StatusCode.OK and a.call != "impatient"]


@pytest.fixture(scope="module", params=["killed", "frozen"])
def outage(request: pytest.FixtureRequest, own_mongod: OwnMongod, tmp_path_factory: pytest.TempPathFactory) -> Outage:
    settings = Settings(
        listen="127.0.0.1:0",
        data_directory=tmp_path_factory.mktemp("song-server"),
        mongodb_uri=SecretStr(own_mongod.uri),
        mongodb_database=request.param,
        argon2_time_cost=1,
        argon2_memory_cost=8,
        shutdown_grace=0.5,
    )
    with running_server(settings) as server:
        clients = Clients(server)
        until(lambda: len(clients.answers) > 100)
        clients.burst()
        away = time.monotonic()
        if request.param == "killed":
            own_mongod.kill()
        else:
            own_mongod.send(signal.SIGSTOP)
        time.sleep(NOTICED + 0.5)
        if request.param == "killed":
            own_mongod.start()
            until(own_mongod.takes_writes)
        else:
            own_mongod.send(signal.SIGCONT)
        back = time.monotonic()
        time.sleep(WELL + 0.5)
        clients.close()
        results = SongServiceStub(server.channel()).BatchGetSongs(
            pb.BatchGetSongsRequest(ids=clients.song_ids[-1000:]), metadata=server.metadata(PRIVILEGE_EDITOR)
        )
    return Outage(away, back, clients, [result.id for result in results.results if result.status_code])


def test_every_call_is_answered_in_time(outage: Outage) -> None:
    slowest = max(outage.clients.answers, key=lambda answer: answer.ended - answer.started)

    assert slowest.ended - slowest.started < NOTICED, slowest


def test_every_kind_of_call_says_that_the_database_is_away_and_when_to_try_again(outage: Outage) -> None:
    failures = outage.failures()

    assert {failure.call for failure in failures} == {*CALLS, "burst"}
    assert {failure[3:] for failure in failures} == {(StatusCode.UNAVAILABLE, "DB_OPERATION_FAILURE", True)}


def test_nobody_waits_beyond_an_own_deadline(outage: Outage) -> None:
    impatient = [answer for answer in outage.clients.answers if answer.call == "impatient"]

    assert max(answer.ended - answer.started for answer in impatient) < IMPATIENT + NOISE
    assert {answer.status for answer in impatient} == {StatusCode.OK, StatusCode.DEADLINE_EXCEEDED}


def test_calls_in_flight_when_it_went_away_are_answered_too(outage: Outage) -> None:
    in_flight = [answer for answer in outage.clients.answers if answer.call == "burst" and answer.ended > outage.away]

    assert in_flight
    assert all(answer.ended < outage.away + NOTICED for answer in in_flight)


def test_all_is_well_by_itself_after_its_return(outage: Outage) -> None:
    answers = [answer for answer in outage.clients.answers if answer.started > outage.back + WELL]

    assert {answer.call for answer in answers} >= CALLS
    assert {answer.status for answer in answers} == {StatusCode.OK}


@pytest.mark.parametrize("how", ["checked", "watched"])
def test_health_follows(outage: Outage, how: str) -> None:
    told: list[tuple[float, Any]] = getattr(outage.clients, how)
    changes = [now for before, now in itertools.pairwise(told) if now[1] != before[1]]

    assert [status for _, status in changes] == [NOT_SERVING, SERVING]
    assert changes[0][0] - outage.away < NOTICED
    assert changes[1][0] - outage.back < NOTICED


def test_nothing_that_was_acknowledged_is_lost(outage: Outage) -> None:
    assert outage.lost == []
