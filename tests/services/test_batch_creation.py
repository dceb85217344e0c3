"""BatchCreateSongs: each song on its own account, or all or none."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from songs.v1.song_bulk_pb2 import BatchCreateResult, BatchCreateSongsRequest, NewSongItem
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import ListSongsRequest
from songs.v1.status_pb2 import StatusCode
from tests.conftest import Caller, failure

BOTH = pytest.mark.parametrize("atomic", [False, True])


@pytest.fixture
def artist() -> str:
    return f"Artist {secrets.token_hex(6)}"


def item(artist: str, title: str = "A Song", request_id: str = "", **fields: Any) -> NewSongItem:
    return NewSongItem(song=Song(title=title, artists=[artist], **fields), request_id=request_id)


def create(caller: Caller, items: list[NewSongItem], *, atomic: bool) -> list[BatchCreateResult]:
    return list(caller.songs.BatchCreateSongs(BatchCreateSongsRequest(items=items, atomic=atomic)).results)


def codes(results: list[BatchCreateResult]) -> list[str]:
    return [StatusCode.Name(result.status_code) for result in results]


def of(caller: Caller, artist: str) -> list[Song]:
    return list(caller.songs.ListSongs(ListSongsRequest(filter=SongFilter(artist=artist), page_size=1000)).songs)


@BOTH
def test_songs_are_made_and_given_as_they_are_stored(editor: Caller, artist: str, *, atomic: bool) -> None:
    results = create(editor, [item(artist, f" Song {n} ", lyrics="La") for n in range(1000)], atomic=atomic)

    assert set(codes(results)) == {"SUCCESS"}
    assert [result.song.title for result in results] == [f"Song {number}" for number in range(1000)]
    assert sorted(map(str, of(editor, artist))) == sorted(str(result.song) for result in results)
    assert results[0].song.created_by == editor.me().id
    assert editor.get(results[0].song.id).lyrics == "La"


@BOTH
def test_songs_that_are_sent_again_are_made_once(editor: Caller, artist: str, *, atomic: bool) -> None:
    earlier = create(editor, [item(artist, "First", "1"), item(artist, "Second", "2")], atomic=atomic)
    again = create(editor, [item(artist, "Third"), item(artist, "Second", "2"), item(artist, "4", "4")], atomic=atomic)

    assert codes(again) == ["SUCCESS"] * 3
    assert again[1].song == earlier[1].song
    assert len(of(editor, artist)) == 4


def test_each_song_has_its_own_result(editor: Caller, artist: str) -> None:
    there = editor.create("There", artists=[artist])
    items = [
        item(artist, "New"),
        item(artist, "there"),
        item(artist, ""),
        NewSongItem(),
        item(artist, "Bad", request_id="not good"),
        item(artist, "NEW"),
    ]

    results = create(editor, items, atomic=False)

    assert codes(results) == [
        "SUCCESS",
        "SONG_EXISTS",
        "INVALID_SONG_DETAILS",
        "REQUEST_PARSE_ERROR",
        "INVALID_DATA_FORMAT",
        "SONG_EXISTS",
    ]
    assert results[1].song_id == there.id
    assert results[5].song_id == results[0].song.id
    assert [violation.field for violation in results[2].field_violations] == ["song.title"]
    assert all(result.message for result in results[1:])
    assert {song.title for song in of(editor, artist)} == {"There", "New"}


@pytest.mark.parametrize("wrong", ["there", "", "new"], ids=["is there", "breaks a rule", "comes twice"])
def test_all_or_none(editor: Caller, artist: str, wrong: str) -> None:
    there = editor.create("There", artists=[artist])

    results = create(editor, [item(artist, "New"), item(artist, wrong), item(artist, "Newer")], atomic=True)

    code = "SONG_EXISTS" if wrong else "INVALID_SONG_DETAILS"
    assert codes(results) == ["BATCH_REFUSED", code, "BATCH_REFUSED"]
    assert results[1].song_id == (there.id if wrong == "there" else "")
    assert not any(result.HasField("song") for result in results)
    assert of(editor, artist) == [there]


def test_what_is_there_is_told_also_where_others_break_rules(editor: Caller, artist: str) -> None:
    editor.create("There", artists=[artist])

    results = create(editor, [item(artist, "There"), item(artist, ""), item(artist, "New")], atomic=True)

    assert codes(results) == ["SONG_EXISTS", "INVALID_SONG_DETAILS", "BATCH_REFUSED"]


def test_batches_that_are_in_each_others_way_are_made_whole_or_not_at_all(editor: Caller, artist: str) -> None:
    barrier = threading.Barrier(8)

    def run(number: int) -> list[str]:
        items = [item(artist, "Contested"), *(item(artist, f"{number} {n}") for n in range(20))]
        barrier.wait()
        return codes(create(editor, items, atomic=True))

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(run, range(8)))

    assert sorted(codes[0] for codes in told) == ["SONG_EXISTS"] * 7 + ["SUCCESS"]
    assert all(set(codes[1:]) == {"SUCCESS" if codes[0] == "SUCCESS" else "BATCH_REFUSED"} for codes in told)
    assert len(of(editor, artist)) == 21


def test_an_answer_that_clients_would_not_take_is_made_shorter(editor: Caller, artist: str) -> None:
    tags = [f"{number:03} {'x' * 120}" for number in range(50)]
    results = create(editor, [item(artist, f"Song {n}", tags=tags) for n in range(480)], atomic=False)

    assert set(codes(results)) == {"SUCCESS"}
    assert results[0].song == Song(id=results[0].song.id, etag="1")
    assert editor.get(results[0].song.id).tags == tags


def test_a_batch_has_one_song_at_the_least_and_a_thousand_at_the_most(editor: Caller, artist: str) -> None:
    for count in (0, 1001):
        refused = failure(editor.songs.BatchCreateSongs, BatchCreateSongsRequest(items=[item(artist)] * count))
        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["items"])
