"""MergeSongs: several songs become one, and their old ids find it."""

import secrets
import uuid
from typing import Any

import pytest

from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest
from songs.v1.song_bulk_pb2 import DeleteSongsRequest
from songs.v1.song_duplicates_pb2 import MergeSongsRequest
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import (
    BatchGetSongsRequest,
    DeleteSongRequest,
    GetSongRequest,
    ListSongsRequest,
    UpdateSongRequest,
)
from songs.v1.song_streams_pb2 import ExportSongsRequest
from songs.v1.status_pb2 import SUCCESS
from tests.conftest import Caller, failure
from tests.services.watches import watching


def merge(caller: Caller, kept: Song, *merged: Song, **options: Any) -> Song:
    return caller.songs.MergeSongs(
        MergeSongsRequest(id=kept.id, merged_ids=[song.id for song in merged], **options)
    ).song


def is_gone(caller: Caller, song_id: str) -> bool:
    return failure(caller.songs.GetSong, GetSongRequest(id=song_id)).code == "SONG_NOT_FOUND"


def test_fields_are_united(editor: Caller) -> None:
    kept = editor.create(
        "Kept",
        label="Kept's",
        genres=["Rock", "Pop"],
        external_ids={"a": "1"},
        popularity=5,
        tags=["x"],
        explicit=False,
    )
    first = editor.create(
        "First", genres=["ROCK", "Blues"], external_ids={"a": "2", "b": "2"}, isrc="GBAYE0000009", explicit=True
    )
    second = editor.create(
        label="Second's", isrc="GBAYE0000010", lyrics="La", popularity=7, tags=["y"], bpm=99.5, duration={"seconds": 7}
    )

    song = merge(editor, kept, first, second)

    assert (song.id, song.title, song.artists, song.label) == (kept.id, "Kept", kept.artists, "Kept's")
    assert song.genres == ["Rock", "Pop", "Blues"]
    assert song.tags == ["x", "y"]
    assert song.external_ids == {"a": "1", "b": "2"}
    assert (song.isrc, song.lyrics, song.popularity, song.bpm) == ("GBAYE0000009", "La", 7, 99.5)
    assert song.duration.seconds == 7
    assert song.explicit is False
    assert (song.create_time, song.created_by) == (kept.create_time, kept.created_by)
    assert song.etag != kept.etag
    assert editor.get(kept.id) == song


def test_a_song_gets_no_more_than_it_may_have(editor: Caller) -> None:
    kept = editor.create(tags=[f"k{n}" for n in range(49)], external_ids={f"k{n}": "1" for n in range(49)})
    other = editor.create(tags=["a", "b"], external_ids={"a": "1", "b": "1"}, genres=[f"g{n}" for n in range(50)])

    song = merge(editor, kept, other)

    assert (len(song.tags), len(song.external_ids), len(song.genres)) == (50, 50, 50)
    assert song.tags[-1] == "a"
    assert song.external_ids["a"]


def test_old_ids_find_the_song_that_was_kept(editor: Caller, listener: Caller) -> None:
    kept, first, second, other = (editor.create() for _ in range(4))

    song = merge(editor, kept, first, second)

    assert listener.get(first.id) == listener.get(second.id.upper()) == song
    ids = [first.id, other.id, second.id.upper(), kept.id]
    results = listener.songs.BatchGetSongs(BatchGetSongsRequest(ids=ids)).results
    assert [result.id for result in results] == ids
    assert {result.status_code for result in results} == {SUCCESS}
    assert [result.song.id for result in results] == [kept.id, other.id, kept.id, kept.id]
    listed = listener.songs.ListSongs(ListSongsRequest(filter=SongFilter(artist=first.artists[0]))).songs
    assert not listed


def test_an_export_that_goes_on_has_the_song_that_was_kept_once(editor: Caller) -> None:
    artists = [f"Artist {secrets.token_hex(6)}"]
    kept, merged, last = (editor.create(f"Song {number}", artists=artists) for number in range(3))
    selected = SongFilter(artist=artists[0])
    (before,) = editor.songs.ExportSongs(ExportSongsRequest(filter=selected))

    song = merge(editor, kept, merged)

    (after,) = editor.songs.ExportSongs(ExportSongsRequest(filter=selected))
    assert (list(before.songs), list(after.songs)) == ([kept, merged, last], [song, last])
    request = ExportSongsRequest(filter=selected, resume_token=before.resume_token)
    assert not list(editor.songs.ExportSongs(request))


def test_old_ids_are_for_reading_only(editor: Caller) -> None:
    """Who removes what is no more, a duplicate that was merged, does not mean the song that was kept."""
    kept, merged = editor.create(), editor.create()
    merge(editor, kept, merged)

    assert failure(editor.songs.DeleteSong, DeleteSongRequest(id=merged.id)).code == "SONG_NOT_FOUND"
    update = UpdateSongRequest(song=Song(id=merged.id, label="L"))
    assert failure(editor.songs.UpdateSong, update).code == "SONG_NOT_FOUND"
    again = MergeSongsRequest(id=kept.id, merged_ids=[merged.id])
    assert failure(editor.songs.MergeSongs, again).code == "SONG_NOT_FOUND"


def test_ids_find_it_through_any_number_of_merges(editor: Caller) -> None:
    first = song = editor.create()
    chain = [first]
    for _ in range(8):
        kept = editor.create()
        song = merge(editor, kept, song)
        chain.append(kept)

    assert {editor.get(old.id).id for old in chain} == {song.id}


@pytest.mark.parametrize("many", [False, True])
def test_old_ids_find_nothing_once_the_song_that_was_kept_is_removed(editor: Caller, *, many: bool) -> None:
    kept, merged = editor.create(), editor.create()
    merge(editor, kept, merged)

    if many:
        editor.songs.DeleteSongs(DeleteSongsRequest(filter=SongFilter(artist=kept.artists[0])))
    else:
        editor.songs.DeleteSong(DeleteSongRequest(id=kept.id))

    assert is_gone(editor, merged.id)
    (result,) = editor.songs.BatchGetSongs(BatchGetSongsRequest(ids=[merged.id])).results
    assert not result.HasField("song")


def test_what_is_not_as_it_should_be_changes_nothing(editor: Caller) -> None:
    kept, merged = editor.create(), editor.create()
    nobody = str(uuid.uuid4())
    for request, code, fields in (
        (MergeSongsRequest(id=nobody, merged_ids=[merged.id]), "SONG_NOT_FOUND", []),
        (MergeSongsRequest(id=kept.id, merged_ids=[merged.id, nobody]), "SONG_NOT_FOUND", []),
        (MergeSongsRequest(id=kept.id, merged_ids=[merged.id], etag="7"), "STALE_ETAG", []),
        (MergeSongsRequest(id=kept.id, merged_ids=[kept.id.upper()]), "INVALID_DATA_FORMAT", ["merged_ids"]),
        (
            MergeSongsRequest(id=kept.id, merged_ids=[merged.id, merged.id.upper()]),
            "INVALID_DATA_FORMAT",
            ["merged_ids"],
        ),
        (MergeSongsRequest(id=kept.id), "INVALID_DATA_FORMAT", ["merged_ids"]),
        (MergeSongsRequest(id=kept.id, merged_ids=["x"]), "INVALID_DATA_FORMAT", ["merged_ids[0]"]),
        (MergeSongsRequest(id="x", merged_ids=[merged.id]), "INVALID_DATA_FORMAT", ["id"]),
    ):
        refused = failure(editor.songs.MergeSongs, request)
        assert (refused.code, refused.fields) == (code, fields)
    assert editor.get(kept.id) == kept
    assert editor.get(merged.id) == merged
    assert merge(editor, kept, merged, etag=kept.etag).id == kept.id


def test_a_song_that_would_become_the_same_as_yet_another_is_not_made(editor: Caller) -> None:
    artist = f"Artist {secrets.token_hex(6)}"
    kept = editor.create("A", artists=[artist])
    merged = editor.create("B", artists=[artist], album="X", track_number=1)
    third = editor.create("A", artists=[artist], album="X", track_number=1)

    refused = failure(editor.songs.MergeSongs, MergeSongsRequest(id=kept.id, merged_ids=[merged.id]))

    assert (refused.code, refused.info.metadata["song_id"]) == ("SONG_EXISTS", third.id)
    assert editor.get(merged.id) == merged
    # As one of those that are merged, it is in nobody's way.
    assert merge(editor, kept, merged, third).album == "X"


def test_it_is_in_the_audit_log_and_told_to_who_watches(editor: Caller, admin: Caller) -> None:
    kept, merged = editor.create(), editor.create()
    with watching(editor, created_by=editor.me().id) as watch:
        song = merge(editor, kept, merged)
        told = [watch.next()[:2], watch.next()[:2]]

    assert told == [("DELETED", Song(id=merged.id)), ("UPDATED", song)]
    request = ListAuditEventsRequest(filter=AuditFilter(target_id=kept.id))
    (event,) = admin.audit.ListAuditEvents(request).events
    assert (event.action, dict(event.details)) == ("MergeSongs", {"merged_ids": merged.id})
