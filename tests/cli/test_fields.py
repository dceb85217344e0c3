"""What people write in tables and options, as fields of a song."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from songclient import Date, Song
from songclient.cli.display import date_text, duration_text
from songclient.cli.fields import SETTERS, setter_for


def read(column: str, text: str) -> Song:
    song = Song()
    setter = setter_for(column)
    assert setter is not None
    setter(song, text)
    return song


@pytest.mark.parametrize(
    ("column", "text", "field", "value"),
    [
        ("title", "Nordlicht", "title", "Nordlicht"),
        ("artist", "Earth; Wind", "artists", ["Earth; Wind"]),
        ("artists", "Ann; Bo ;; ", "artists", ["Ann", "Bo"]),
        ("album_artist", "Ann", "album_artists", ["Ann"]),
        ("album_artists", "Ann;Bo", "album_artists", ["Ann", "Bo"]),
        ("track_number", "7", "track_number", 7),
        ("disc_number", "2", "disc_number", 2),
        ("genre", "Rock", "genres", ["Rock"]),
        ("style", "Broken Beat, Dubstep", "genres", ["Broken Beat", "Dubstep"]),
        ("genres", "Rock; Pop", "genres", ["Rock", "Pop"]),
        ("year", "1999", "release_date", Date(year=1999)),
        ("release_date", "1999", "release_date", Date(year=1999)),
        ("release_date", "1999-12", "release_date", Date(year=1999, month=12)),
        ("release_date", " 1999-12-31", "release_date", Date(year=1999, month=12, day=31)),
        ("duration", "205", "duration", Duration(seconds=205)),
        ("duration_seconds", "205.5", "duration", Duration(seconds=205, nanos=500_000_000)),
        ("duration", "3:25", "duration", Duration(seconds=205)),
        ("duration", "1:02:03", "duration", Duration(seconds=3723)),
        ("isrc", "us-rc1-76-07839", "isrc", "us-rc1-76-07839"),
        ("language", "pt-BR", "language", "pt-BR"),
        ("label", "Dewtone", "label", "Dewtone"),
        ("bpm", "128.5", "bpm", 128.5),
        ("explicit", "Yes", "explicit", True),
        ("explicit", "0", "explicit", False),
        ("tags", "live;demo", "tags", ["live", "demo"]),
        ("lyrics", "La\nla", "lyrics", "La\nla"),
        ("popularity", "12", "popularity", 12),
        ("rating", "5", "popularity", 5),
        ("catalog_number", "dt006", "external_ids", {"catalog_number": "dt006"}),
        ("external_ids.musicbrainz", "b10b", "external_ids", {"musicbrainz": "b10b"}),
        (" Album Artist ", "Ann", "album_artists", ["Ann"]),
        ("Track-Number", "3", "track_number", 3),
    ],
)
def test_a_text_is_read(column: str, text: str, field: str, value: Any) -> None:
    assert getattr(read(column, text), field) == value


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("label", "?"),
        ("catalog_number", "?"),
        ("year", "0"),
        ("duration", "0"),
        ("duration", "0:00"),
        ("track_number", "0"),
    ],
)
def test_what_says_that_something_is_not_known_sets_nothing(column: str, text: str) -> None:
    assert read(column, text) == Song()


@pytest.mark.parametrize(
    ("column", "text", "shown"),
    [
        ("duration", "3:25", "3:25"),
        ("duration", "59", "0:59"),
        ("duration", "205.5", "3:25"),
        ("duration", "1:02:03", "1:02:03"),
        ("duration", "0", ""),
    ],
)
def test_a_length_of_time_is_shown_as_it_is_written(column: str, text: str, shown: str) -> None:
    assert duration_text(read(column, text).duration) == shown


@pytest.mark.parametrize("text", ["1999", "1999-02", "1999-12-31"])
def test_a_date_is_shown_as_it_is_written(text: str) -> None:
    assert date_text(read("release_date", text).release_date) == text
    assert date_text(Date()) == ""


def test_a_full_date_says_more_than_the_year_beside_it() -> None:
    full = Date(year=1999, month=12, day=31)
    for columns in (("year", "release_date"), ("release_date", "year")):
        song = Song()
        for column in columns:
            SETTERS[column](song, "1999-12-31" if column == "release_date" else "1998")
        assert song.release_date == full


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("track_number", "three", "must be a whole number, not 'three'"),
        ("year", "1999?", "must be a whole number, not"),
        ("release_date", "31.12.1999", "must be YYYY, YYYY-MM or YYYY-MM-DD, not '31.12.1999'"),
        ("duration", "3m", "must be seconds .* not '3m'"),
        ("duration", "-5", "must be seconds .* not '-5'"),
        ("bpm", "fast", "must be a number, not 'fast'"),
        ("explicit", "maybe", "must be true or false, not 'maybe'"),
        ("popularity", "99999999999", "out of range"),
    ],
)
def test_what_cannot_be_read_says_why(column: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(column, text)


def test_a_column_that_a_song_has_no_field_for_has_no_setter() -> None:
    assert setter_for("licence_url") is None
