"""Both clients, call by call, against the song server: many songs, and songs that are there more than once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from songclient import (
    DuplicateKind,
    InvalidDataFormat,
    InvalidSongDetails,
    Song,
    SongClient,
    SongExists,
    SongFilter,
    SongNotFound,
    StaleEtag,
    StatusCode,
    TooManySongs,
)
from tests.client.conftest import NOBODY, song

EXISTS, SUCCESS, REFUSED = StatusCode.SONG_EXISTS, StatusCode.SUCCESS, StatusCode.BATCH_REFUSED


def test_a_batch(editor: SongClient) -> None:
    results = editor.batch_create_songs([song(1), (song(2), "once"), song(1)])
    assert [result.status_code for result in results] == [SUCCESS, SUCCESS, EXISTS]
    assert editor.get_song(results[1].song.id).title == song(2).title
    (again,) = editor.batch_create_songs([(song(2), "once")])
    assert again.song == results[1].song

    refused = editor.batch_create_songs([song(3), song(1)], atomic=True)
    assert [result.status_code for result in refused] == [REFUSED, EXISTS]
    with pytest.raises(InvalidDataFormat):
        editor.batch_create_songs([])


def test_a_change_of_many_songs(editor: SongClient) -> None:
    songs = [editor.create_song(song(number)) for number in range(3)]
    mine = SongFilter(created_by=songs[0].created_by)

    dry = editor.update_songs(mine, Song(label="L"), ["label"], dry_run=True)
    assert (dry.matched, dry.changed, dry.failed) == (3, 3, 0)
    assert editor.get_song(songs[0].id) == songs[0]
    assert editor.update_songs(mine, Song(label="L"), ["label"]) == dry
    assert {found.label for found in editor.list_songs(filter=mine)} == {"L"}

    with pytest.raises(TooManySongs):
        editor.update_songs(mine, Song(label="L"), ["label"], max_songs=2)
    with pytest.raises(InvalidSongDetails):
        editor.update_songs(mine, Song(), ["title"])
    with pytest.raises(InvalidDataFormat):
        editor.update_songs(SongFilter(), Song(label="L"), ["label"])


def test_the_removal_of_many_songs(editor: SongClient) -> None:
    songs = [editor.create_song(song(number)) for number in range(3)]
    mine = SongFilter(created_by=songs[0].created_by)

    with pytest.raises(TooManySongs):
        editor.delete_songs(mine, max_songs=2)
    assert editor.delete_songs(mine, dry_run=True).deleted == 3
    assert editor.delete_songs(mine).deleted == 3
    assert list(editor.list_songs(filter=mine)) == []


def test_duplicates_found_and_merged(editor: SongClient) -> None:
    kept = editor.create_song(Song(title="A", artists=["B"], isrc="GBAYE0000011", duration=Duration(seconds=100)))
    other = editor.create_song(
        Song(title="a!", artists=["b"], album="C", isrc="GBAYE0000011", duration=Duration(seconds=103), bpm=90)
    )

    by_isrc, *more = editor.find_duplicates()
    assert (by_isrc.kind, list(by_isrc.songs), more) == (DuplicateKind.DUPLICATE_KIND_ISRC, [kept, other], [])
    by_title = editor.find_duplicates(
        filter=SongFilter(artist="B"),
        kinds=[DuplicateKind.DUPLICATE_KIND_TITLE_AND_ARTISTS],
        duration_difference=timedelta(seconds=3),
    )
    assert [group.size for group in by_title] == [2]

    with pytest.raises(StaleEtag):
        editor.merge_songs(kept.id, [other.id], etag="7")
    with pytest.raises(SongNotFound):
        editor.merge_songs(kept.id, [NOBODY])
    assert editor.merge_songs(kept.id, [other.id], etag=kept.etag).bpm == 90
    assert editor.get_song(other.id).id == kept.id


def test_a_merge_may_be_in_anothers_way(editor: SongClient) -> None:
    kept = editor.create_song(Song(title="A", artists=["B"]))
    other = editor.create_song(Song(title="Other", artists=["B"], album="X"))
    third = editor.create_song(Song(title="A", artists=["B"], album="X"))

    with pytest.raises(SongExists) as caught:
        editor.merge_songs(kept.id, [other.id])
    assert caught.value.song_id == third.id
