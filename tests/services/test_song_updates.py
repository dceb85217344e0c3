"""UpdateSong: masks, etags, and what becomes of two who change the same song."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import DeleteSongRequest, UpdateSongRequest
from tests.conftest import Caller, Failure, failure

NOBODY = "00000000-0000-4000-8000-000000000000"
OUTPUT_ONLY: tuple[Any, ...] = ("id", "etag", "create_time", "update_time", "created_by")


def update(caller: Caller, song: Song, *paths: str) -> Song:
    """Changes a song by a mask, or without one."""
    mask = FieldMask(paths=paths) if paths else None
    return caller.songs.UpdateSong(UpdateSongRequest(song=song, update_mask=mask)).song


def refused(caller: Caller, song: Song, *paths: str) -> Failure:
    """Tries to change a song."""
    return failure(caller.songs.UpdateSong, UpdateSongRequest(song=song, update_mask=FieldMask(paths=paths)))


def test_only_fields_of_the_mask_are_changed(editor: Caller) -> None:
    song = editor.create(label="Old", genres=["Pop"], lyrics="la", explicit=True)

    updated = update(editor, Song(id=song.id, label="New", genres=["Rock"], lyrics="no", bpm=100), "label", "bpm")

    assert (updated.label, updated.bpm) == ("New", 100)
    assert (updated.genres, updated.lyrics, updated.explicit) == (song.genres, "la", True)
    assert editor.get(song.id) == updated


def test_a_change_gives_another_etag_and_time(editor: Caller) -> None:
    song = editor.create()

    updated = update(editor, Song(id=song.id, label="New"), "label")

    assert updated.etag != song.etag
    assert updated.update_time.ToNanoseconds() >= song.update_time.ToNanoseconds()
    assert (updated.create_time, updated.created_by) == (song.create_time, song.created_by)


def test_a_field_of_the_mask_that_is_not_set_is_emptied(editor: Caller) -> None:
    song = editor.create(
        album="B",
        genres=["Pop"],
        explicit=False,
        external_ids={"a": "b"},
        release_date={"year": 2000},
        duration={"seconds": 1},
        isrc="USRC17607839",
        popularity=5,
        lyrics="la",
    )
    names = ["album", "genres", "explicit", "external_ids", "release_date", "duration", "isrc", "popularity", "lyrics"]

    update(editor, Song(id=song.id), *names)

    emptied = editor.get(song.id)
    assert [field.name for field, _ in emptied.ListFields() if field.name not in OUTPUT_ONLY] == ["title", "artists"]


def test_lists_and_maps_are_replaced_not_joined(editor: Caller) -> None:
    song = editor.create(genres=["Pop", "Rock"], external_ids={"a": "1", "b": "2"})

    updated = update(editor, Song(id=song.id, genres=["Jazz"], external_ids={"c": "3"}), "genres", "external_ids")

    assert (list(updated.genres), dict(updated.external_ids)) == (["Jazz"], {"c": "3"})


def test_dates_and_durations_are_replaced_as_a_whole(editor: Caller) -> None:
    song = editor.create(release_date={"year": 2000, "month": 5, "day": 6}, duration={"seconds": 100, "nanos": 5})

    updated = update(editor, Song(id=song.id, release_date={"year": 2001}, duration={"seconds": 7}))  # type: ignore[arg-type]

    assert (updated.release_date.month, updated.release_date.day) == (0, 0)
    assert updated.duration.ToNanoseconds() == 7_000_000_000


def test_without_a_mask_the_fields_that_are_set_are_changed(editor: Caller) -> None:
    song = editor.create(label="Old", album="B")

    updated = update(editor, Song(id=song.id, label="New", created_by=NOBODY))

    assert (updated.title, updated.label, updated.album) == (song.title, "New", "B")
    assert updated.created_by == song.created_by


def test_the_star_changes_all_fields(editor: Caller) -> None:
    song = editor.create(label="Old", album="B", lyrics="la")
    new = Song(id=song.id, title="New", artists=song.artists, bpm=90)

    updated = update(editor, new, "*")

    for name in OUTPUT_ONLY:
        updated.ClearField(name)
    new.ClearField("id")
    assert updated == new


@pytest.mark.parametrize(
    "path", ["etag", "id", "created_by", "create_time", "release_date.year", "artists.0", "no", "", "$set"]
)
def test_a_mask_that_names_what_cannot_be_changed_is_refused(editor: Caller, path: str) -> None:
    song = editor.create()

    answer = refused(editor, Song(id=song.id, label="New"), "label", path)

    assert (answer.code, answer.fields) == ("INVALID_DATA_FORMAT", ["update_mask"])
    assert repr(path) in answer.message
    assert editor.get(song.id) == song


def test_the_rules_hold_for_the_song_as_it_would_be(editor: Caller) -> None:
    song = editor.create()

    answer = refused(editor, Song(id=song.id, bpm=2000, track_number=-1), "title", "artists", "bpm", "track_number")

    assert answer.code == "INVALID_SONG_DETAILS"
    assert set(answer.fields) == {"song.title", "song.artists", "song.bpm", "song.track_number"}
    assert editor.get(song.id) == song


def test_fields_out_of_the_mask_may_break_rules(editor: Caller) -> None:
    song = editor.create()

    assert update(editor, Song(id=song.id, label="New", bpm=2000), "label").label == "New"


def test_a_change_is_stored_in_canonical_form(editor: Caller) -> None:
    song = editor.create()

    updated = update(editor, Song(id=song.id, title=" Cafe\u0301 ", isrc="us-rc1-76-07839"), "title", "isrc")

    assert (updated.title, updated.isrc) == ("Café", "USRC17607839")


@pytest.mark.parametrize("song_id", ["", "1", NOBODY + "\n"])
def test_an_id_that_is_none_cannot_be_read(editor: Caller, song_id: str) -> None:
    answer = refused(editor, Song(id=song_id, label="New"), "label")

    assert (answer.code, answer.fields) == ("INVALID_DATA_FORMAT", ["song.id"])


def test_a_request_without_a_song_names_none(editor: Caller) -> None:
    answer = failure(editor.songs.UpdateSong, UpdateSongRequest())

    assert (answer.code, answer.fields) == ("INVALID_DATA_FORMAT", ["song.id"])


def test_a_song_that_is_not_there_is_not_found(editor: Caller) -> None:
    assert refused(editor, Song(id=NOBODY, label="New"), "label").code == "SONG_NOT_FOUND"
    assert refused(editor, Song(id=NOBODY, label="New", etag="1"), "label").code == "SONG_NOT_FOUND"


def test_a_stale_etag_changes_nothing(editor: Caller) -> None:
    song = editor.create()
    changed = update(editor, Song(id=song.id, label="New", etag=song.etag), "label")

    for etag in (song.etag, "no etag", "0" + changed.etag):
        answer = refused(editor, Song(id=song.id, label="Newer", etag=etag), "label")

        assert answer.code == "STALE_ETAG"
        assert editor.get(song.id) == changed


def test_of_those_who_change_the_same_version_one_does(editor: Caller) -> None:
    song = editor.create()

    def change(number: int) -> bool:
        try:
            update(editor, Song(id=song.id, label=f"{number}", etag=song.etag), "label")
        except Exception:  # noqa: BLE001 - the song tells who won
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        changed = list(pool.map(change, range(10)))

    assert changed.count(True) == 1
    assert editor.get(song.id).label == str(changed.index(True))


def test_changes_at_once_to_different_fields_all_land(editor: Caller) -> None:
    song = editor.create()
    changes: dict[str, Any] = {
        "label": "L",
        "album": "B",
        "genres": ["Pop"],
        "tags": ["live"],
        "lyrics": "la",
        "bpm": 99,
        "popularity": 7,
        "language": "en",
        "track_number": 3,
        "disc_number": 2,
    }

    with ThreadPoolExecutor(len(changes)) as pool:
        list(pool.map(lambda item: update(editor, Song(id=song.id, **{item[0]: item[1]}), item[0]), changes.items()))

    expected = Song()
    expected.CopyFrom(song)
    expected.MergeFrom(Song(**changes))
    result = editor.get(song.id)
    for name in ("etag", "update_time"):
        expected.ClearField(name)
        result.ClearField(name)
    assert result == expected


def test_a_song_does_not_become_another_one(editor: Caller) -> None:
    there, song = editor.create("One", artists=["Same"], album=secrets.token_hex(8)), editor.create("Two")

    answer = refused(
        editor, Song(id=song.id, title=" ONE ", artists=["same"], album=there.album), "title", "artists", "album"
    )

    assert answer.code == "SONG_EXISTS"
    assert answer.info.metadata["song_id"] == there.id
    assert editor.get(song.id) == song


def test_a_song_may_be_spelled_another_way(editor: Caller) -> None:
    song = editor.create("one")

    assert update(editor, Song(id=song.id, title="ONE"), "title").title == "ONE"


def test_a_renamed_song_leaves_its_old_identity(editor: Caller) -> None:
    song = editor.create("Before")

    update(editor, Song(id=song.id, title="After"), "title")

    again = editor.create("Before", artists=song.artists)
    assert again.id != song.id
    editor.songs.DeleteSong(DeleteSongRequest(id=again.id))
    assert update(editor, Song(id=song.id, title="Before"), "title").title == "Before"
