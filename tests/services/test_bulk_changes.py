"""UpdateSongs and DeleteSongs: what a filter selects, changed and removed at once."""

import asyncio
import secrets
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest
from songs.v1.song_bulk_pb2 import DeleteSongsRequest, UpdateSongsRequest, UpdateSongsResponse
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import (
    DeleteSongRequest,
    ImportItem,
    ImportSongsRequest,
    ListSongsRequest,
    SearchSongsRequest,
    UpdateSongRequest,
)
from songs.v1.status_pb2 import SONG_EXISTS
from songserver.storage import song_bulk
from tests.conftest import Caller, failure, in_process


@pytest.fixture
def artist() -> str:
    return f"Artist {secrets.token_hex(6)}"


def create_many(caller: Caller, artist: str, count: int) -> None:
    items = [ImportItem(song=Song(title=f"Song {number}", artists=[artist])) for number in range(count)]
    for start in range(0, count, 500):
        list(caller.songs.ImportSongs(iter([ImportSongsRequest(items=items[start : start + 500])])))


def of(caller: Caller, artist: str) -> list[Song]:
    return list(caller.songs.ListSongs(ListSongsRequest(filter=SongFilter(artist=artist), page_size=1000)).songs)


def update_request(selected: dict[str, Any], change: dict[str, Any], **options: Any) -> UpdateSongsRequest:
    return UpdateSongsRequest(
        filter=SongFilter(**selected), song=Song(**change), update_mask=FieldMask(paths=list(change)), **options
    )


def update(caller: Caller, selected: dict[str, Any], change: dict[str, Any], **options: Any) -> UpdateSongsResponse:
    return caller.songs.UpdateSongs(update_request(selected, change, **options))


def counts(response: UpdateSongsResponse) -> tuple[int, int, int]:
    return response.matched, response.changed, response.failed


def test_all_songs_that_match_get_the_values_of_the_mask_and_keep_the_others(editor: Caller, artist: str) -> None:
    songs = [editor.create(f"Song {number}", artists=[artist], genres=["Old"], lyrics="La") for number in range(3)]
    other = editor.create(genres=["Old"])

    told = update(editor, {"artist": artist.upper()}, {"genres": ["New", "Newer"], "label": " L "})

    assert counts(told) == (3, 3, 0)
    for song in songs:
        now = editor.get(song.id)
        assert now.genres == ["New", "Newer"]
        assert (now.label, now.title, now.lyrics) == ("L", song.title, "La")
        assert now.etag != song.etag
        assert now.update_time.ToNanoseconds() > song.update_time.ToNanoseconds()
        assert now.create_time == song.create_time
    assert editor.get(other.id) == other
    assert counts(update(editor, {"artist": artist}, {"genres": ["New", "Newer"], "label": "L"})) == (3, 0, 0)


def test_a_song_is_found_by_what_it_has_become(editor: Caller, artist: str) -> None:
    song = editor.create(artists=[artist], isrc="GBAYE7000001")
    word = secrets.token_hex(6)

    update(editor, {"artist": artist}, {"album": f"Album {word}", "isrc": ""})

    found = editor.songs.SearchSongs(SearchSongsRequest(query=word)).results
    assert [result.song.id for result in found] == [song.id]
    assert editor.songs.ListSongs(ListSongsRequest(filter=SongFilter(album=f"album {word}"))).songs[0].id == song.id
    assert not editor.songs.ListSongs(ListSongsRequest(filter=SongFilter(isrc="GBAYE7000001", artist=artist))).songs


def found(caller: Caller, query: str) -> list[str]:
    return [result.song.id for result in caller.songs.SearchSongs(SearchSongsRequest(query=query)).results]


def test_what_songs_are_ranked_and_found_by_changes_with_them(editor: Caller, artist: str) -> None:
    # Words with digits in them are not forgiven.
    letters = str.maketrans("0123456789", "ghijklmnop")
    title, genre = (f"{prefix}{secrets.token_hex(5)}".translate(letters) for prefix in ("title", "genre"))
    song = editor.create(title, artists=[artist], popularity=1)
    other = editor.create(title, popularity=2)
    assert found(editor, title) == [other.id, song.id]

    update(editor, {"artist": artist}, {"popularity": 3, "genres": [genre]})

    assert found(editor, title) == [song.id, other.id]
    for query in (genre, genre[:-3], f"{genre[:-3]}x{genre[-2:]}", f"{title} {genre[:8]}"):
        assert found(editor, query) == [song.id], query


def test_more_songs_than_fit_into_a_batch_are_all_changed(editor: Caller, artist: str) -> None:
    create_many(editor, artist, 600)

    # As it goes, none of them matches any more.
    told = update(editor, {"artist": artist}, {"artists": [f"{artist} II"]})

    assert counts(told) == (600, 600, 0)
    assert len(of(editor, f"{artist} II")) == 600
    assert not of(editor, artist)


def test_a_dry_run_tells_the_same_and_changes_nothing(editor: Caller, artist: str) -> None:
    create_many(editor, artist, 300)
    for change in ({"title": "All The Same"}, {"label": "L"}):
        before = of(editor, artist)

        dry = update(editor, {"artist": artist}, change, dry_run=True)

        assert of(editor, artist) == before
        assert update(editor, {"artist": artist}, change) == dry


def test_a_song_that_would_become_the_same_as_another_is_left_and_told_of(editor: Caller, artist: str) -> None:
    first = editor.create("First", artists=[artist])
    second = editor.create("Second", artists=[artist])
    third = editor.create("Third", artists=[artist], album="Alone")

    told = update(editor, {"artist": artist}, {"title": "SECOND"})

    assert counts(told) == (3, 2, 1)
    (failed,) = told.failures
    assert (failed.song_id, failed.status_code) == (first.id, SONG_EXISTS)
    assert second.id in failed.message
    titles = [editor.get(song.id).title for song in (first, second, third)]
    assert titles == ["First", "SECOND", "SECOND"]


def test_of_songs_that_would_all_become_the_same_one_is_changed(editor: Caller, artist: str) -> None:
    create_many(editor, artist, 300)

    told = update(editor, {"artist": artist}, {"title": "Same"})

    assert counts(told) == (300, 1, 299)
    assert len(told.failures) == 100
    assert {failure.status_code for failure in told.failures} == {SONG_EXISTS}


@in_process
def test_songs_that_others_change_meanwhile_are_changed_all_the_same(
    editor: Caller, artist: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, gone, other = (editor.create(f"Song {number}", artists=[artist]) for number in range(3))
    plan = song_bulk.SongBulk._plan
    planned = 0

    async def disturbed(self: Any, *arguments: Any) -> Any:
        nonlocal planned
        planned += 1
        made = await plan(self, *arguments)
        if planned == 1:
            change = UpdateSongRequest(song=Song(id=song.id, album="Changed"))
            await asyncio.to_thread(editor.songs.UpdateSong, change)
            await asyncio.to_thread(editor.songs.DeleteSong, DeleteSongRequest(id=gone.id))
        return made

    monkeypatch.setattr(song_bulk.SongBulk, "_plan", disturbed)
    told = update(editor, {"artist": artist}, {"label": "L"})

    assert planned == 2
    assert counts(told) == (3, 2, 0)
    assert editor.get(song.id).label == editor.get(other.id).label == "L"
    assert editor.get(song.id).album == "Changed"


def test_more_songs_than_it_says_are_too_many(editor: Caller, artist: str) -> None:
    create_many(editor, artist, 4)
    before = of(editor, artist)
    for request in (
        update_request({"artist": artist}, {"label": "L"}, max_songs=3),
        update_request({"artist": artist}, {"label": "L"}, max_songs=3, dry_run=True),
    ):
        assert failure(editor.songs.UpdateSongs, request).code == "TOO_MANY_SONGS"
    deletion = DeleteSongsRequest(filter=SongFilter(artist=artist), max_songs=3)
    assert failure(editor.songs.DeleteSongs, deletion).code == "TOO_MANY_SONGS"
    assert of(editor, artist) == before


def test_up_to_a_thousand_are_changed_unless_it_says_how_many(editor: Caller, artist: str) -> None:
    create_many(editor, artist, 1001)
    assert (
        failure(editor.songs.UpdateSongs, update_request({"artist": artist}, {"label": "L"})).code == "TOO_MANY_SONGS"
    )
    request = DeleteSongsRequest(filter=SongFilter(artist=artist), max_songs=1001)

    assert editor.songs.DeleteSongs(request).deleted == 1001


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"filter": None}, "INVALID_DATA_FORMAT", "filter"),
        ({"filter": SongFilter()}, "INVALID_DATA_FORMAT", "filter"),
        ({"filter": SongFilter(artist=" ")}, "INVALID_DATA_FORMAT", "filter"),
        ({"filter": SongFilter(year_from=1)}, "INVALID_DATA_FORMAT", "filter.year_from"),
        ({"update_mask": None}, "INVALID_DATA_FORMAT", "update_mask"),
        ({"update_mask": FieldMask()}, "INVALID_DATA_FORMAT", "update_mask"),
        ({"update_mask": FieldMask(paths=["*"])}, "INVALID_DATA_FORMAT", "update_mask"),
        ({"update_mask": FieldMask(paths=["id"])}, "INVALID_DATA_FORMAT", "update_mask"),
        ({"max_songs": -1}, "INVALID_DATA_FORMAT", "max_songs"),
        ({"max_songs": 100_001}, "INVALID_DATA_FORMAT", "max_songs"),
        ({"song": Song(label="L" * 257)}, "INVALID_SONG_DETAILS", "song.label"),
        ({"update_mask": FieldMask(paths=["title"])}, "INVALID_SONG_DETAILS", "song.title"),
    ],
)
def test_what_cannot_be_done_to_any_song_is_refused(
    editor: Caller, change: dict[str, Any], code: str, field: str
) -> None:
    good = update_request({"artist": "A"}, {"label": "L"})
    values = {"filter": good.filter, "song": good.song, "update_mask": good.update_mask, **change}

    refused = failure(editor.songs.UpdateSongs, UpdateSongsRequest(**values))

    assert (refused.code, refused.fields) == (code, [field])


def test_all_songs_that_match_are_removed(editor: Caller, artist: str) -> None:
    create_many(editor, artist, 300)
    other = editor.create()
    request = DeleteSongsRequest(filter=SongFilter(artist=artist), dry_run=True)

    dry = editor.songs.DeleteSongs(request)
    assert (dry.matched, dry.deleted) == (300, 300)
    assert len(of(editor, artist)) == 300
    request.dry_run = False
    assert editor.songs.DeleteSongs(request) == dry
    assert not of(editor, artist)
    assert editor.get(other.id) == other
    again = editor.songs.DeleteSongs(request)
    assert (again.matched, again.deleted) == (0, 0)


def test_nobody_removes_all_songs_by_mistake(editor: Caller) -> None:
    for request in (DeleteSongsRequest(), DeleteSongsRequest(filter=SongFilter())):
        assert failure(editor.songs.DeleteSongs, request).fields == ["filter"]


def test_the_audit_log_tells_of_it_before_and_after_and_of_dry_runs_nothing(
    editor: Caller, admin: Caller, artist: str
) -> None:
    create_many(editor, artist, 3)
    selected = SongFilter(artist=artist, year_to=2000)
    editor.songs.DeleteSongs(DeleteSongsRequest(filter=selected, dry_run=True))
    update(editor, {"artist": artist}, {"label": "L"}, dry_run=True)

    update(editor, {"artist": artist}, {"label": "L", "title": "Same"})
    editor.songs.DeleteSongs(DeleteSongsRequest(filter=SongFilter(artist=artist)))

    request = ListAuditEventsRequest(filter=AuditFilter(actor_id=editor.me().id))
    events = [event for event in admin.audit.ListAuditEvents(request).events if event.action != "ImportSongs"]
    told = [(event.action, dict(event.details)) for event in reversed(events)]
    assert told == [
        ("UpdateSongs", {"phase": "begun", "filter": f'{{"artist":"{artist}"}}', "fields": "label title"}),
        ("UpdateSongs", {"phase": "ended", "changed": "1", "failed": "2"}),
        ("DeleteSongs", {"phase": "begun", "filter": f'{{"artist":"{artist}"}}'}),
        ("DeleteSongs", {"phase": "ended", "deleted": "3"}),
    ]
