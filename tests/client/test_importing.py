"""An import keeps a bounded number of songs on their way, and tells how each ends."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from songclient import (
    ExistingSongs,
    ImportResult,
    ImportTakenOver,
    InvalidDataFormat,
    PrivilegeError,
    ServerUnavailable,
    Song,
    SongClient,
    SongClientError,
    StatusCode,
)
from songclient.aio.importing import BATCH_BYTES, BATCH_SONGS, MESSAGES_AHEAD
from songs.v1.song_service_pb2 import ImportSongsResponse
from songs.v1.user_service_pb2 import GetMeResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client.conftest import Scripted, Sessions

    OpenClient = Callable[..., SongClient]


class Import:
    """Answers imports, and keeps how many songs each message had."""

    def __init__(self, scripted: Scripted) -> None:
        self.messages: list[Any] = []
        self.ended = threading.Event()
        scripted.answers["GetMe"] = lambda _request, _context: GetMeResponse()
        scripted.answers["ImportSongs"] = self.answer

    def answer(self, requests: Any, context: grpc.ServicerContext) -> Iterator[ImportSongsResponse]:
        context.add_callback(self.ended.set)
        index = 0
        for request in requests:
            self.messages.append(request)
            results = [ImportResult(index=index + i) for i in range(len(request.items))]
            index += len(results)
            yield ImportSongsResponse(results=results)

    @property
    def sizes(self) -> list[int]:
        return [len(message.items) for message in self.messages]


@pytest.fixture
def imports(scripted: Scripted) -> Import:
    return Import(scripted)


def songs(count: int) -> Iterator[Song]:
    return (Song(title=f"Song {number}") for number in range(count))


def test_songs_go_in_full_messages_and_each_has_its_result(
    scripted: Scripted, imports: Import, open_client: OpenClient
) -> None:
    count = 7 * BATCH_SONGS + 1

    results = list(open_client(scripted.address).import_songs(songs(count)))

    assert [result.index for result in results] == list(range(count))
    assert imports.sizes == [BATCH_SONGS] * 7 + [1]
    titles = [item.song.title for message in imports.messages for item in message.items]
    assert titles == [song.title for song in songs(count)]


def test_an_import_of_nothing_has_no_results(scripted: Scripted, imports: Import, open_client: OpenClient) -> None:
    assert list(open_client(scripted.address).import_songs([])) == []
    assert imports.messages == []


def test_request_ids_are_sent_where_they_are_given(
    scripted: Scripted, imports: Import, open_client: OpenClient
) -> None:
    list(open_client(scripted.address).import_songs([(Song(title="A"), "row-1"), Song(title="B")]))

    (message,) = imports.messages
    assert [(item.song.title, item.request_id) for item in message.items] == [
        ("A", "row-1"),
        ("B", ""),
    ]


def test_large_songs_go_in_messages_that_a_server_takes(
    scripted: Scripted, imports: Import, open_client: OpenClient
) -> None:
    large = [Song(title="T", lyrics="la " * (BATCH_BYTES // 10)) for _ in range(10)]
    huge = Song(title="T", lyrics="la " * (BATCH_BYTES // 2))

    results = list(open_client(scripted.address).import_songs([*large, huge, Song(title="U")]))

    assert len(results) == 12
    assert imports.sizes == [3, 3, 3, 1, 1, 1]
    assert max(message.ByteSize() for message in imports.messages[:3]) <= BATCH_BYTES * 1.01


@pytest.mark.usefixtures("imports")
def test_songs_are_taken_only_a_few_messages_ahead_of_the_results(scripted: Scripted, open_client: OpenClient) -> None:
    taken = 0

    def endless() -> Iterator[Song]:
        nonlocal taken
        while True:
            taken += 1
            yield Song(title=f"Song {taken}")

    results = open_client(scripted.address).import_songs(endless())
    most = 0
    for given, _ in zip(range(20 * BATCH_SONGS), results, strict=False):
        most = max(most, taken - given)

    assert MESSAGES_AHEAD * BATCH_SONGS <= most <= (MESSAGES_AHEAD + 1) * BATCH_SONGS


def test_who_stops_reading_ends_the_call_and_leaves_no_thread(
    scripted: Scripted, imports: Import, open_client: OpenClient
) -> None:
    client = open_client(scripted.address)
    list(client.import_songs(songs(1)))
    before = threading.active_count()

    for _ in range(12):
        imports.ended.clear()
        results: Any = client.import_songs(songs(100 * BATCH_SONGS))
        next(results)
        results.close()
        assert imports.ended.wait(20)

    # The server's pool may have grown by some.
    end = time.monotonic() + 20
    while threading.active_count() > before + 4 and time.monotonic() < end:
        time.sleep(0.02)
    assert threading.active_count() <= before + 4


def test_what_goes_wrong_in_the_callers_songs_reaches_the_caller(
    scripted: Scripted, imports: Import, open_client: OpenClient
) -> None:
    def broken() -> Iterator[Song]:
        yield from songs((MESSAGES_AHEAD + 1) * BATCH_SONGS)
        raise OSError("the disc is gone")

    with pytest.raises(OSError, match="the disc is gone"):
        list(open_client(scripted.address).import_songs(broken()))

    assert imports.ended.wait(20)


@pytest.mark.usefixtures("imports")
def test_songs_are_taken_on_the_callers_own_thread(scripted: Scripted) -> None:
    threads = set()

    def noting() -> Iterator[Song]:
        threads.add(threading.current_thread())
        yield Song(title="T")

    with SongClient(scripted.address) as client:
        list(client.import_songs(noting()))

    assert threads == {threading.current_thread()}


@pytest.mark.usefixtures("imports")
def test_a_refused_import_says_why_in_the_contracts_terms(scripted: Scripted, open_client: OpenClient) -> None:
    scripted.answers["ImportSongs"] = lambda _requests, context: scripted.fail(
        context, StatusCode.PRIVILEGE_ERROR, grpc.StatusCode.PERMISSION_DENIED
    )

    with pytest.raises(PrivilegeError):
        list(open_client(scripted.address).import_songs(songs(10 * BATCH_SONGS)))


@pytest.mark.usefixtures("imports")
def test_an_import_that_breaks_off_gives_what_was_answered_then_says_why(
    scripted: Scripted, open_client: OpenClient
) -> None:
    def answer(requests: Any, context: grpc.ServicerContext) -> Iterator[ImportSongsResponse]:
        next(requests)
        yield ImportSongsResponse(results=[ImportResult(index=0)])
        scripted.fail(context, StatusCode.INVALID_DATA_FORMAT, grpc.StatusCode.INVALID_ARGUMENT)

    scripted.answers["ImportSongs"] = answer
    client = open_client(scripted.address)

    # What grpc.aio makes of it depends on what comes first: many times, so that all comes.
    for _ in range(30):
        results: Any = client.import_songs(songs(10 * BATCH_SONGS))
        assert next(results).index == 0
        with pytest.raises(InvalidDataFormat):
            next(results)


@pytest.mark.parametrize("messages", [2, 10], ids=["all sent", "half sent"])
@pytest.mark.usefixtures("imports")
def test_results_that_never_came_are_not_passed_over(
    scripted: Scripted, open_client: OpenClient, messages: int
) -> None:
    def answer(requests: Any, _context: grpc.ServicerContext) -> Iterator[ImportSongsResponse]:
        next(requests)
        yield ImportSongsResponse()

    scripted.answers["ImportSongs"] = answer

    with pytest.raises(SongClientError, match=r"ended the (import after 500 songs|call early)"):
        list(open_client(scripted.address).import_songs(songs(messages * BATCH_SONGS)))


@pytest.mark.usefixtures("imports")
def test_a_session_that_is_over_is_renewed_before_a_song_is_taken(
    scripted: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    for name in ("GetMe", "ImportSongs"):
        scripted.answers[name] = sessions.guard(scripted.answers[name])
    client = open_client(scripted.address, session=sessions.next())
    sessions.good = set()

    assert len(list(client.import_songs(songs(3)))) == 3

    assert scripted.calls == {"GetMe": 2, "RefreshSession": 1, "ImportSongs": 1}


def test_an_import_has_no_deadline_but_a_given_one(
    scripted: Scripted, imports: Import, open_client: OpenClient
) -> None:
    left: list[float | None] = []

    def answer(requests: Any, context: grpc.ServicerContext) -> Iterator[ImportSongsResponse]:
        left.append(context.time_remaining())
        yield from imports.answer(requests, context)

    scripted.answers["ImportSongs"] = answer
    client = open_client(scripted.address, timeout=5)

    list(client.import_songs(songs(1)))
    list(client.import_songs(songs(1), timeout=60))

    assert left[0] is None or left[0] > 3600
    assert left[1] == pytest.approx(60, abs=10)


class Resuming:
    """Answers imports with an id, breaks them off as it is told, and keeps what it has stored."""

    def __init__(self, scripted: Scripted, breaks: list[int]) -> None:
        """Break off each stream after so many messages; the ones after these not at all."""
        self.stored: list[str] = []
        self.answers: list[ImportSongsResponse] = []
        self._breaks = iter(breaks)
        self._scripted = scripted
        scripted.answers["GetMe"] = lambda _request, _context: GetMeResponse()
        scripted.answers["ImportSongs"] = self.answer

    def answer(self, requests: Any, context: grpc.ServicerContext) -> Iterator[ImportSongsResponse]:
        left = next(self._breaks, 1_000_000)
        first = next(requests)
        assert (first.options.import_id, len(first.items)) == ("an-import", 0)
        earlier = [result for answer in self.answers[-8:] for result in answer.results]
        yield ImportSongsResponse(results=earlier, next_index=len(self.stored))
        for request in requests:
            if not left:
                self._scripted.fail(context, None, grpc.StatusCode.UNAVAILABLE)
            left -= 1
            index = len(self.stored)
            self.stored += [item.song.title for item in request.items]
            results = [ImportResult(index=index + i) for i in range(len(request.items))]
            self.answers.append(ImportSongsResponse(results=results, next_index=len(self.stored)))
            # What is stored last is not answered.
            if left:
                yield self.answers[-1]
        if not left:
            self._scripted.fail(context, None, grpc.StatusCode.UNAVAILABLE)


@pytest.mark.parametrize("breaks", [[], [0], [1], [2, 0, 3], [5, 5], [1] * 8])
def test_an_import_with_an_id_goes_on_by_itself(scripted: Scripted, open_client: OpenClient, breaks: list[int]) -> None:
    server = Resuming(scripted, breaks)
    count = 9 * BATCH_SONGS + 7

    results = list(open_client(scripted.address).import_songs(songs(count), import_id="an-import"))

    assert server.stored == [song.title for song in songs(count)]
    assert [result.index for result in results] == list(range(count))


def test_songs_that_the_server_has_are_left_out(scripted: Scripted, open_client: OpenClient) -> None:
    server = Resuming(scripted, [])
    server.stored = [song.title for song in songs(BATCH_SONGS + 3)]

    results = list(open_client(scripted.address).import_songs(songs(2 * BATCH_SONGS), import_id="an-import"))

    assert server.stored == [song.title for song in songs(2 * BATCH_SONGS)]
    assert results[0].index == BATCH_SONGS + 3
    assert list(open_client(scripted.address).import_songs(songs(5), import_id="an-import"))[-1].index == 999


def test_it_is_given_up_where_nothing_is_heard_for_too_long(scripted: Scripted, open_client: OpenClient) -> None:
    server = Resuming(scripted, [0] * 1000)
    begin = time.monotonic()

    with pytest.raises(ServerUnavailable):
        list(open_client(scripted.address).import_songs(songs(5), import_id="an-import", patience=0.5))

    assert time.monotonic() - begin < 10
    assert scripted.calls["ImportSongs"] > 1
    assert server.stored == []


def test_what_is_no_passing_failure_is_told_at_once(scripted: Scripted, open_client: OpenClient) -> None:
    Resuming(scripted, [])
    scripted.answers["ImportSongs"] = lambda _requests, context: scripted.fail(
        context, StatusCode.IMPORT_TAKEN_OVER, grpc.StatusCode.ABORTED
    )

    with pytest.raises(ImportTakenOver):
        list(open_client(scripted.address).import_songs(songs(5), import_id="an-import"))

    assert scripted.calls["ImportSongs"] == 1


def test_a_server_that_has_forgotten_what_it_answered_is_not_believed(
    scripted: Scripted, open_client: OpenClient
) -> None:
    server = Resuming(scripted, [2])
    results: Any = open_client(scripted.address).import_songs(songs(9 * BATCH_SONGS), import_id="an-import")
    next(results)

    def forget(requests: Any, context: grpc.ServicerContext) -> Iterator[ImportSongsResponse]:
        server.stored.clear()
        server.answers.clear()
        return server.answer(requests, context)

    scripted.answers["ImportSongs"] = forget

    with pytest.raises(SongClientError, match="has forgotten the import"):
        list(results)


def test_options_are_sent_before_the_songs(scripted: Scripted, open_client: OpenClient) -> None:
    imports = Import(scripted)

    merge = ExistingSongs.EXISTING_SONGS_MERGE
    assert len(list(open_client(scripted.address).import_songs(songs(3), existing=merge, dry_run=True))) == 3

    first, second = imports.messages
    assert (first.options.existing, first.options.dry_run) == (merge, True)
    assert ([len(first.items), len(second.items)], second.HasField("options")) == ([0, 3], False)
