"""The rules of a song: what is refused, with which field, and what is still taken."""

import secrets

import pytest

from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import CreateSongRequest
from tests.conftest import Caller, failure

BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "no title": ({"title": ""}, "song.title"),
    "title of blanks": ({"title": " \u3000 "}, "song.title"),
    "long title": ({"title": "x" * 513}, "song.title"),
    "control character": ({"title": "a\x00b"}, "song.title"),
    "line break in title": ({"title": "a\nb"}, "song.title"),
    "no artists": ({"artists": []}, "song.artists"),
    "51 artists": ({"artists": [str(i) for i in range(51)]}, "song.artists"),
    "empty artist": ({"artists": ["A", " "]}, "song.artists[1]"),
    "long album": ({"album": "x" * 513}, "song.album"),
    "51 album artists": ({"album_artists": ["x"] * 51}, "song.album_artists"),
    "track below 0": ({"track_number": -1}, "song.track_number"),
    "track over 9999": ({"track_number": 10_000}, "song.track_number"),
    "disc over 9999": ({"disc_number": 10_000}, "song.disc_number"),
    "51 genres": ({"genres": ["x"] * 51}, "song.genres"),
    "long genre": ({"genres": ["x" * 129]}, "song.genres[0]"),
    "year 999": ({"release_date": {"year": 999}}, "song.release_date"),
    "year 2101": ({"release_date": {"year": 2101}}, "song.release_date"),
    "no year": ({"release_date": {"month": 2}}, "song.release_date"),
    "month 13": ({"release_date": {"year": 2000, "month": 13}}, "song.release_date"),
    "day without month": ({"release_date": {"year": 2000, "day": 1}}, "song.release_date"),
    "30 February": ({"release_date": {"year": 2000, "month": 2, "day": 30}}, "song.release_date"),
    "29 February 1900": ({"release_date": {"year": 1900, "month": 2, "day": 29}}, "song.release_date"),
    "31 April": ({"release_date": {"year": 2000, "month": 4, "day": 31}}, "song.release_date"),
    "no duration at all": ({"duration": {}}, "song.duration"),
    "duration below 0": ({"duration": {"seconds": -1}}, "song.duration"),
    "over 24 hours": ({"duration": {"seconds": 86_400, "nanos": 1}}, "song.duration"),
    "short isrc": ({"isrc": "USRC1760783"}, "song.isrc"),
    "isrc with a sign": ({"isrc": "USRC1760783$"}, "song.isrc"),
    "language": ({"language": "portuguese (brazil)"}, "song.language"),
    "long label": ({"label": "x" * 257}, "song.label"),
    "bpm below 0": ({"bpm": -0.1}, "song.bpm"),
    "bpm over 1000": ({"bpm": 1000.1}, "song.bpm"),
    "bpm nan": ({"bpm": float("nan")}, "song.bpm"),
    "bpm infinite": ({"bpm": float("inf")}, "song.bpm"),
    "51 tags": ({"tags": ["x"] * 51}, "song.tags"),
    "empty tag": ({"tags": [""]}, "song.tags[0]"),
    "51 external ids": ({"external_ids": {f"a{i}": "x" for i in range(51)}}, "song.external_ids"),
    "name of external id": ({"external_ids": {"A b": "x"}}, 'song.external_ids["A b"]'),
    "empty external id": ({"external_ids": {"a": ""}}, 'song.external_ids["a"]'),
    "long external id": ({"external_ids": {"a": "x" * 513}}, 'song.external_ids["a"]'),
    "control character in external id": ({"external_ids": {"a": "x\x00"}}, 'song.external_ids["a"]'),
    "long lyrics": ({"lyrics": "x" * 50_001}, "song.lyrics"),
    "popularity below 0": ({"popularity": -1}, "song.popularity"),
    "popularity": ({"popularity": 1_000_000_001}, "song.popularity"),
}


@pytest.mark.parametrize(("fields", "field"), BROKEN.values(), ids=BROKEN.keys())
def test_a_song_that_breaks_a_rule_is_refused_with_its_field(
    editor: Caller, fields: dict[str, object], field: str
) -> None:
    song = Song(**{"title": "A", "artists": [secrets.token_hex(8)], **fields})  # type: ignore[arg-type]

    refused = failure(editor.songs.CreateSong, CreateSongRequest(song=song))

    assert (refused.code, set(refused.fields)) == ("INVALID_SONG_DETAILS", {field})
    assert refused.bad_request.field_violations[0].description


def test_the_longest_song_that_keeps_the_rules_is_taken(editor: Caller) -> None:
    wide = "\U0001f3b5"
    song = Song(
        title=wide * 512,
        artists=[secrets.token_hex(8), *(wide * 500 + str(number) for number in range(49))],
        album=wide * 512,
        album_artists=[wide * 512] * 50,
        genres=[wide * 128] * 50,
        tags=[wide * 128] * 50,
        label=wide * 256,
        external_ids={"a" * 60 + str(number): wide * 512 for number in range(50)},
        lyrics=wide * 50_000,
        track_number=9999,
        disc_number=9999,
        bpm=1000,
    )
    song.duration.seconds = 86_400

    created = editor.songs.CreateSong(CreateSongRequest(song=song)).song

    for field, value in song.ListFields():
        assert getattr(created, field.name) == value


def test_all_broken_rules_are_told_at_once(editor: Caller) -> None:
    song = Song(title="", artists=["", "B"], track_number=-1, bpm=2000)

    refused = failure(editor.songs.CreateSong, CreateSongRequest(song=song))

    assert sorted(refused.fields) == ["song.artists[0]", "song.bpm", "song.title", "song.track_number"]


def test_a_request_without_a_song_is_refused(editor: Caller) -> None:
    refused = failure(editor.songs.CreateSong, CreateSongRequest())

    assert (refused.code, refused.fields) == ("INVALID_SONG_DETAILS", ["song"])
