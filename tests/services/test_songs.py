"""Songs, one by one: create, get, batch get, delete."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import (
    BatchGetSongsRequest,
    CreateSongRequest,
    DeleteSongRequest,
    GetSongRequest,
    UpdateSongRequest,
)
from songs.v1.status_pb2 import INVALID_DATA_FORMAT, SONG_NOT_FOUND, SUCCESS
from tests.conftest import Caller, failure

NOBODY = "00000000-0000-4000-8000-000000000000"


def whole_song(**changes: object) -> Song:
    """A song with every field that a client may set, in canonical form."""
    song = Song(
        title="Orange Horizon",
        artists=[f"The Testers {secrets.token_hex(6)}", "Ánná"],
        album="First Light",
        album_artists=["Various"],
        track_number=7,
        disc_number=2,
        genres=["Ambient", "Post-Rock"],
        isrc="USRC17607839",
        language="pt-BR",
        label="A Label",
        bpm=123.456789,
        explicit=False,
        tags=["live", "évening"],
        external_ids={"musicbrainz": "b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d", "a-b_c9": "x"},
        lyrics="One\n\tTwo\nThree",
        popularity=1_000_000_000,
    )
    song.release_date.year, song.release_date.month, song.release_date.day = 2004, 2, 29
    song.duration.seconds, song.duration.nanos = 215, 123_456_789
    song.MergeFrom(Song(**changes))  # type: ignore[arg-type] # fields of a song, whatever they are
    return song


def given_by_client(song: Song) -> Song:
    """What a client gave of a song."""
    given = Song()
    given.CopyFrom(song)
    for name in ("id", "etag", "create_time", "update_time", "created_by"):
        given.ClearField(name)
    return given


def test_every_field_of_a_song_comes_back_as_it_went_in(editor: Caller) -> None:
    song = whole_song()

    created = editor.songs.CreateSong(CreateSongRequest(song=song)).song

    assert given_by_client(created) == song
    assert editor.get(created.id) == created


def test_a_song_with_the_required_fields_only_has_no_others(editor: Caller) -> None:
    song = Song(title="Bare", artists=[secrets.token_hex(8)])

    created = editor.songs.CreateSong(CreateSongRequest(song=song)).song

    assert given_by_client(created) == song
    assert not created.HasField("explicit")
    assert not created.HasField("release_date")
    assert not created.HasField("duration")


@pytest.mark.parametrize(("year", "month", "day"), [(1000, 0, 0), (2100, 12, 31), (1987, 6, 0)])
def test_a_release_date_may_be_a_year_a_month_or_a_day(editor: Caller, year: int, month: int, day: int) -> None:
    date = {"year": year, "month": month, "day": day}

    created = editor.create(release_date=date)

    assert created.release_date == Song(release_date=date).release_date


def test_the_server_says_who_made_a_song_and_when(editor: Caller) -> None:
    created = editor.create()

    assert created.created_by == editor.me().id
    assert created.create_time == created.update_time
    assert abs(created.create_time.ToSeconds() - editor.me().create_time.ToSeconds()) < 60
    assert created.etag
    assert len(created.id) == 36


def test_output_only_fields_of_a_new_song_are_not_read(editor: Caller) -> None:
    created = editor.create(
        id=NOBODY, etag="77", created_by=NOBODY, create_time={"seconds": 1}, update_time={"seconds": 1}
    )

    assert created.id != NOBODY
    assert created.etag != "77"
    assert created.created_by == editor.me().id
    assert created.create_time.seconds > 1
    assert created.update_time.seconds > 1


def test_fields_of_a_newer_contract_are_not_kept(editor: Caller) -> None:
    """They are unchecked, and could be of any size."""
    unknown = Song.FromString(b"\xfa\xff\x03\x05hello")
    song = whole_song()
    song.MergeFrom(unknown)
    assert b"hello" in song.SerializeToString()

    created = editor.songs.CreateSong(CreateSongRequest(song=song)).song
    update = UpdateSongRequest(song=Song(id=created.id, bpm=1.5))
    update.song.MergeFrom(unknown)
    editor.songs.UpdateSong(update)

    assert b"hello" not in editor.songs.GetSong(GetSongRequest(id=created.id)).SerializeToString()


def test_text_is_stored_in_its_canonical_form(editor: Caller) -> None:
    created = editor.create(
        "  Cafe\u0301  ", album="\u3000Live\t", genres=[" Pop "], isrc="us-rc1 76-07839", lyrics=" La\u0308 \n"
    )

    assert (created.title, created.album, list(created.genres)) == ("Café", "Live", ["Pop"])
    assert created.isrc == "USRC17607839"
    assert created.lyrics == "Lä"


def test_the_same_song_is_there_once(editor: Caller) -> None:
    there = editor.create("Straße  Nach\u00a0Süden", album="Ｗｉｄｅ", disc_number=1, track_number=2)
    again = Song(
        title="STRASSE nach süden",
        artists=[there.artists[0].upper()],
        album="wide",
        disc_number=1,
        track_number=2,
        label="of no account",
    )

    refused = failure(editor.songs.CreateSong, CreateSongRequest(song=again))

    assert refused.code == "SONG_EXISTS"
    assert refused.info.metadata["song_id"] == there.id
    assert there.id in refused.message


@pytest.mark.parametrize(
    "difference",
    [
        {"title": "Another"},
        {"artists": ["Another"]},
        {"album": "Another"},
        {"disc_number": 2},
        {"track_number": 2},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_songs_that_differ_in_one_part_of_their_identity_are_two(editor: Caller, difference: dict[str, object]) -> None:
    same = {"title": "One", "artists": [secrets.token_hex(8)], "album": "B", "disc_number": 1, "track_number": 1}
    first = editor.create(**same)  # type: ignore[arg-type]

    second = editor.create(**{**same, **difference})  # type: ignore[arg-type]

    assert first.id != second.id


def test_the_order_of_artists_makes_another_song(editor: Caller) -> None:
    one, two = secrets.token_hex(8), secrets.token_hex(8)

    assert editor.create(artists=[one, two]).id != editor.create(artists=[two, one]).id


def test_one_artist_is_not_two_with_the_same_words(editor: Caller) -> None:
    one, two = secrets.token_hex(8), secrets.token_hex(8)

    assert editor.create(artists=[one, two]).id != editor.create(artists=[f"{one} {two}"]).id


@pytest.mark.parametrize("song_id", ["", "1", NOBODY + "\n", "{" + NOBODY[:-2] + "}", NOBODY.replace("-", "")])
def test_an_id_that_is_none_cannot_be_read(editor: Caller, song_id: str) -> None:
    for call, request in (
        (editor.songs.GetSong, GetSongRequest(id=song_id)),
        (editor.songs.DeleteSong, DeleteSongRequest(id=song_id)),
    ):
        refused = failure(call, request)

        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["id"])


def test_an_id_of_no_song_is_not_found(editor: Caller) -> None:
    for call, request in (
        (editor.songs.GetSong, GetSongRequest(id=NOBODY)),
        (editor.songs.DeleteSong, DeleteSongRequest(id=NOBODY)),
        (editor.songs.DeleteSong, DeleteSongRequest(id=NOBODY, etag="1")),
    ):
        refused = failure(call, request)

        assert refused.code == "SONG_NOT_FOUND"
        assert NOBODY in refused.message


def test_an_id_may_be_in_upper_case(editor: Caller) -> None:
    created = editor.create()

    assert editor.get(created.id.upper()) == created


def test_a_batch_answers_each_id_in_order_and_without_lyrics(listener: Caller, editor: Caller) -> None:
    one, two = editor.create(lyrics="la"), editor.create()
    ids = [two.id, NOBODY, one.id, "none", two.id, one.id.upper(), "", "{" + NOBODY[:-2] + "}"]

    results = listener.songs.BatchGetSongs(BatchGetSongsRequest(ids=ids)).results

    one.ClearField("lyrics")
    assert [result.id for result in results] == ids
    assert [result.status_code for result in results] == [
        SUCCESS,
        SONG_NOT_FOUND,
        SUCCESS,
        INVALID_DATA_FORMAT,
        SUCCESS,
        SUCCESS,
        INVALID_DATA_FORMAT,
        INVALID_DATA_FORMAT,
    ]
    assert [result.song for result in results] == [two, Song(), one, Song(), two, one, Song(), Song()]


def test_a_batch_has_from_1_to_1000_ids(listener: Caller) -> None:
    assert len(listener.songs.BatchGetSongs(BatchGetSongsRequest(ids=[NOBODY] * 1000)).results) == 1000

    for count in (0, 1001):
        refused = failure(listener.songs.BatchGetSongs, BatchGetSongsRequest(ids=[NOBODY] * count))

        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["ids"])


def test_a_deleted_song_is_gone_and_can_be_made_again(editor: Caller) -> None:
    song = editor.create()

    editor.songs.DeleteSong(DeleteSongRequest(id=song.id))

    assert failure(editor.songs.GetSong, GetSongRequest(id=song.id)).code == "SONG_NOT_FOUND"
    assert failure(editor.songs.DeleteSong, DeleteSongRequest(id=song.id)).code == "SONG_NOT_FOUND"
    again = editor.songs.CreateSong(CreateSongRequest(song=given_by_client(song))).song
    assert again.id != song.id


def test_a_stale_etag_deletes_nothing_and_the_right_one_does(editor: Caller) -> None:
    song = editor.create()

    for etag in (song.etag + "0", "0" + song.etag, "x", "-1", "9" * 60):
        refused = failure(editor.songs.DeleteSong, DeleteSongRequest(id=song.id, etag=etag))
        assert refused.code == "STALE_ETAG"
        assert editor.get(song.id) == song

    editor.songs.DeleteSong(DeleteSongRequest(id=song.id, etag=song.etag))
    assert failure(editor.songs.GetSong, GetSongRequest(id=song.id)).code == "SONG_NOT_FOUND"


def test_of_20_who_make_the_same_song_at_once_one_makes_it(editor: Caller) -> None:
    request = CreateSongRequest(song=Song(title="Race", artists=[secrets.token_hex(8)]))

    def create(_: int) -> str:
        try:
            return editor.songs.CreateSong(request).song.id
        except Exception as error:  # noqa: BLE001 - looked at below
            return str(error.trailing_metadata()[0].value)  # type: ignore[attr-defined]

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(create, range(20)))

    assert sum(outcome != "-3001" for outcome in outcomes) == 1
