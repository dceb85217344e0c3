"""Which column is which field: by its name, as other programs write it, or as --map says."""

import io

import click
import pytest

from songclient import Song
from songclient.cli.columns import read_map
from songclient.cli.reading import UnreadableFileError
from songclient.cli.reading_csv import CsvSongs

EXPORTIFY = (
    "Track URI,Track Name,Artist Name(s),Album Name,Album Release Date,Disc Number,Track Number,Track Duration (ms),"
    "Explicit,Popularity,ISRC,Genres,Record Label,Tempo\n"
    "spotify:1,A,Ann;Bo,An Album,2001-02-03,1,2,205500,true,7,USRC17607839,rock,Dewtone,128.5\n"
)
BEETS = "title,artist,album,albumartist,track,disc,genre,year,length,bpm\nA,Ann,An Album,Bo,2/12,1,Rock,1999,3:25,90\n"


def song_of(text: str, **mapped: str) -> Song:
    (row,) = CsvSongs(io.BytesIO(text.encode()), mapped)
    assert row.reason == ""
    return row.song


def test_a_table_of_another_program_is_understood() -> None:
    song = song_of(EXPORTIFY)
    assert (song.title, list(song.artists), song.album) == ("A", ["Ann", "Bo"], "An Album")
    assert (song.release_date.year, song.release_date.day, song.disc_number, song.track_number) == (2001, 3, 1, 2)
    assert (song.duration.seconds, song.duration.nanos, song.explicit) == (205, 500_000_000, True)
    assert (song.isrc, song.popularity, song.label, song.bpm) == ("USRC17607839", 7, "Dewtone", 128.5)
    assert CsvSongs(io.BytesIO(EXPORTIFY.encode())).ignored == ["Track URI"]
    other = song_of(BEETS)
    assert (other.title, list(other.album_artists), other.track_number) == ("A", ["Bo"], 2)
    assert (other.release_date.year, other.duration.seconds) == (1999, 205)


def test_a_mapped_column_goes_before_one_with_the_fields_name() -> None:
    text = "title,Titel,wer,artist\nwrong,A,Ann,wrong\n"
    mapped = {"Titel": "title", "wer": "artist"}
    assert song_of(text, **mapped) == Song(title="A", artists=["Ann"])
    assert CsvSongs(io.BytesIO(text.encode()), mapped).ignored == ["title", "artist"]


def test_a_column_that_is_not_there_cannot_be_mapped() -> None:
    with pytest.raises(UnreadableFileError, match="no column 'Titel'"):
        CsvSongs(io.BytesIO(b"title\nA\n"), {"Titel": "title"})


def test_map_is_read() -> None:
    assert read_map(["title=Name", "external_ids.discogs=Id=x"]) == {"Name": "title", "Id=x": "external_ids.discogs"}
    for text in ("title", "=Name", "mood=Name", ""):
        with pytest.raises(click.BadParameter):
            read_map([text])
