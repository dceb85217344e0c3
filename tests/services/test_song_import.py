"""ImportSongs: many songs from one stream, each with a result of its own."""

import asyncio
import queue
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any

import grpc
import pytest

from songs.v1 import status_pb2
from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import ImportItem, ImportResult, ImportSongsRequest, ListSongsRequest
from songs.v1.status_pb2 import StatusCode
from songserver.testing import SongServer
from tests.conftest import Caller, failure, read_failure


def item(title: str, artist: str, request_id: str = "", **fields: Any) -> ImportItem:
    return ImportItem(song=Song(title=title, artists=[artist], **fields), request_id=request_id)


def run(caller: Caller, *messages: Iterable[ImportItem]) -> list[ImportResult]:
    """Imports all messages; gives all results."""
    requests = iter([ImportSongsRequest(items=items) for items in messages])
    return [result for answer in caller.songs.ImportSongs(requests, timeout=30) for result in answer.results]


def codes(results: Iterable[ImportResult]) -> list[str]:
    return [StatusCode.Name(result.status_code) for result in results]


class Stream:
    """An import whose client sends a message when it is told to."""

    def __init__(self, caller: Caller) -> None:
        self.outbox: queue.Queue[ImportSongsRequest | None] = queue.Queue()
        self.call: Any = caller.songs.ImportSongs(iter(self.outbox.get, None), timeout=30)

    def send(self, *items: ImportItem) -> None:
        self.outbox.put(ImportSongsRequest(items=items))

    def close(self) -> None:
        self.outbox.put(None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.call)


@pytest.fixture
def artist() -> str:
    """An artist of the test's own."""
    return secrets.token_hex(8)


def titles(caller: Caller, artist: str) -> list[str]:
    answer = caller.songs.ListSongs(ListSongsRequest(filter=SongFilter(artist=artist), page_size=1000))
    return [song.title for song in answer.songs]


def test_each_item_has_a_result_in_order(editor: Caller, artist: str) -> None:
    results = run(editor, [item("A", artist), item("B", artist)], [item("C", artist)], [], [item("D", artist)])

    assert [result.index for result in results] == [0, 1, 2, 3]
    assert codes(results) == ["SUCCESS"] * 4
    assert [editor.get(result.song_id).title for result in results] == ["A", "B", "C", "D"]
    assert editor.get(results[0].song_id).created_by == editor.me().id


def test_each_message_has_an_answer_even_an_empty_one(editor: Caller, artist: str) -> None:
    requests = [ImportSongsRequest(items=items) for items in ([item("A", artist)], [], [item("B", artist)], [])]

    answers = list(editor.songs.ImportSongs(iter(requests)))

    assert [len(answer.results) for answer in answers] == [1, 0, 1, 0]


def test_an_empty_stream_has_no_answers(editor: Caller) -> None:
    assert run(editor) == []


def test_one_bad_item_does_not_stop_the_rest(editor: Caller, artist: str) -> None:
    there = editor.create("There", artists=[artist])
    results = run(
        editor,
        [
            item("Good", artist),
            item("", artist, track_number=-1),
            ImportItem(request_id="x"),
            item("Bad request id", artist, request_id="no id"),
            item("THERE", artist),
            item("Also good", artist),
        ],
        [item(" ", ""), item("Last", artist)],
    )

    assert codes(results) == [
        "SUCCESS",
        "INVALID_SONG_DETAILS",
        "REQUEST_PARSE_ERROR",
        "INVALID_DATA_FORMAT",
        "SONG_EXISTS",
        "SUCCESS",
        "INVALID_SONG_DETAILS",
        "SUCCESS",
    ]
    assert [result.index for result in results] == list(range(8))
    fields = [[violation.field for violation in result.field_violations] for result in results]
    assert fields == [
        [],
        ["song.title", "song.track_number"],
        ["song"],
        ["request_id"],
        [],
        [],
        ["song.title", "song.artists[0]"],
        [],
    ]
    assert [bool(result.message) for result in results] == [code != "SUCCESS" for code in codes(results)]
    assert [bool(result.song_id) for result in results] == [
        code in {"SUCCESS", "SONG_EXISTS"} for code in codes(results)
    ]
    assert results[4].song_id == there.id
    assert titles(editor, artist) == ["There", "Good", "Also good", "Last"]


def test_items_are_brought_into_canonical_form(editor: Caller, artist: str) -> None:
    (result,) = run(editor, [item(" Cafe\u0301 ", artist, isrc="us-rc1-76-07839")])

    song = editor.get(result.song_id)
    assert (song.title, song.isrc) == ("Café", "USRC17607839")


def test_the_same_song_twice_in_a_message_is_made_once(editor: Caller, artist: str) -> None:
    first, second, third = run(editor, [item("Same", artist), item("same", artist), item(" SAME", artist)])

    assert codes([first, second, third]) == ["SUCCESS", "SONG_EXISTS", "SONG_EXISTS"]
    assert first.song_id == second.song_id == third.song_id


def test_1000_items_are_the_most_of_a_message(editor: Caller, artist: str) -> None:
    items = [item(str(number), artist) for number in range(1001)]
    assert codes(run(editor, items[:1000])) == ["SUCCESS"] * 1000

    stream = Stream(editor)
    answers = iter(stream)
    stream.send(item("before", artist))
    assert codes(next(answers).results) == ["SUCCESS"]
    stream.send(*items)
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)

    refused = read_failure(caught.value)
    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["items"])


def test_a_client_may_wait_for_each_answer(editor: Caller, artist: str) -> None:
    stream = Stream(editor)
    answers = iter(stream)
    for number in range(5):
        stream.send(item(str(number), artist))
        (result,) = next(answers).results
        assert (result.index, result.status_code) == (number, status_pb2.SUCCESS)
        assert editor.get(result.song_id).title == str(number)
    stream.close()
    assert list(answers) == []


def test_a_client_may_send_all_before_it_reads(editor: Caller, artist: str) -> None:
    stream = Stream(editor)
    for number in range(50):
        stream.send(*[item(f"{number} {n}", artist) for n in range(10)])
    stream.close()

    assert codes(result for answer in stream for result in answer.results) == ["SUCCESS"] * 500


def test_a_cancelled_stream_leaves_what_was_answered(editor: Caller, artist: str) -> None:
    stream = Stream(editor)
    answers = iter(stream)
    stream.send(item("A", artist), item("B", artist))
    next(answers)

    stream.call.cancel()
    stream.close()

    assert titles(editor, artist) == ["A", "B"]


def test_the_same_request_ids_after_a_broken_stream_make_no_song_twice(editor: Caller, artist: str) -> None:
    items = [item(f"{number}", artist, request_id=f"{artist}-{number}") for number in range(20)]
    stream = Stream(editor)
    answers = iter(stream)
    stream.send(*items[:5])
    before = next(answers).results
    stream.send(*items[5:10])
    stream.call.cancel()
    stream.close()

    results = run(editor, items)

    assert codes(results) == ["SUCCESS"] * 20
    assert [result.song_id for result in results[:5]] == [result.song_id for result in before]
    assert sorted(titles(editor, artist), key=int) == [str(number) for number in range(20)]


def test_without_request_ids_the_songs_that_are_there_are_told(editor: Caller, artist: str) -> None:
    first = run(editor, [item("A", artist), item("B", artist)])

    again = run(editor, [item("A", artist), item("B", artist), item("C", artist)])

    assert codes(again) == ["SONG_EXISTS", "SONG_EXISTS", "SUCCESS"]
    assert [result.song_id for result in again[:2]] == [result.song_id for result in first]


def test_a_request_id_twice_in_a_message_makes_one_song(editor: Caller, artist: str) -> None:
    first, second = run(editor, [item("A", artist, request_id=artist), item("B", artist, request_id=artist)])

    assert codes([first, second]) == ["SUCCESS", "SUCCESS"]
    assert first.song_id == second.song_id
    assert titles(editor, artist) == ["A"]


def test_bytes_that_are_no_message_end_the_stream_after_what_was_answered(editor: Caller, artist: str) -> None:
    good = ImportSongsRequest(items=[item("A", artist)]).SerializeToString()
    raw: Any = editor.channel.stream_stream("/songs.v1.SongService/ImportSongs")
    outbox: queue.Queue[bytes | None] = queue.Queue()
    answers = raw(
        iter(outbox.get, None), metadata=[("authorization", f"Bearer {editor.session.access_token}")], timeout=20
    )
    outbox.put(good)
    next(answers)
    outbox.put(b"\xff\xff\xff")
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    outbox.put(None)

    assert read_failure(caught.value).code == "REQUEST_PARSE_ERROR"
    assert titles(editor, artist) == ["A"]


def test_streams_that_are_cut_off_leave_nothing_behind(
    song_server: SongServer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Each once left a task behind that held its last messages and waited for ever; some were taken for incidents."""
    editor = Caller.new(song_server, PRIVILEGE_EDITOR)
    for number in range(5):
        stream = Stream(editor)
        answers = iter(stream)
        for batch in range(20):
            stream.send(*[item(f"{batch} {n}", f"artist {number}") for n in range(200)])
        next(answers)
        next(answers)
        stream.call.cancel()
        stream.close()

    give_up = time.monotonic() + 5
    while tasks := [task for task in asyncio.all_tasks(song_server._loop) if "Importing" in repr(task.get_coro())]:
        assert time.monotonic() < give_up, tasks
        time.sleep(0.05)
    assert "incident" not in capsys.readouterr().out
    assert not caplog.records


def test_a_listener_may_not_import(listener: Caller, artist: str) -> None:
    refused = failure(listener.songs.ImportSongs, iter([ImportSongsRequest(items=[item("A", artist)])]))

    assert refused.code == "PRIVILEGE_ERROR"
