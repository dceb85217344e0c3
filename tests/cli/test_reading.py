"""Files of songs, good and bad."""

import csv
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songclient import Song
from songclient.cli.reading import Row, UnreadableFileError
from songclient.cli.reading_csv import CsvSongs
from songclient.cli.reading_json import JsonLinesSongs


def read_csv(text: str | bytes) -> list[Row]:
    return list(CsvSongs(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def read_json(text: str | bytes) -> list[Row]:
    return list(JsonLinesSongs(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def test_quotes_commas_and_newlines_in_cells_are_the_cells_own() -> None:
    (row,) = read_csv('title,artist\r\n"A ""B"", or\nC",Ann\r\n')
    assert row.song == Song(title='A "B", or\nC', artists=["Ann"])
    assert (row.number, row.reason) == (1, "")


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    (row,) = read_csv("\ufefftitle,artist\nÉtude,Zoë\n")
    assert row.song.title == "Étude"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_are_parted_as_the_names_in_the_header_are(delimiter: str) -> None:
    header, cells = ("title", "artist", "genre"), ('"A; B, or\tC"', "Ann", "Folk")
    (row,) = read_csv(f"{delimiter.join(header)}\r\n{delimiter.join(cells)}\r\n")
    assert row.song == Song(title="A; B, or\tC", artists=["Ann"], genres=["Folk"])


def test_blank_lines_are_no_rows() -> None:
    rows = read_csv("title,artist\n\nA,Ann\n\n\nB,Bo\n")
    assert [(row.number, row.song.title) for row in rows] == [(1, "A"), (2, "B")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("A,Ann,x", "track_number: must be a whole number, not 'x'"),
        ("A,Ann", "has 2 columns where the header has 3"),
        ("A,Ann,1,2", "has 4 columns where the header has 3"),
        ('A,"Ann"x,1', "cannot be read as CSV: ',' expected after '\"'"),
        ("A,Ann\udcff,1", "artist: must be UTF-8"),
        (f"A,{'n' * 140_000},1", "cannot be read as CSV: field larger than field limit (131072)"),
    ],
    ids=["number", "too few", "too many", "quotes", "encoding", "size"],
)
def test_a_row_that_cannot_be_read_stops_no_other(line: str, reason: str) -> None:
    text = f"title,artist,track_number\nB,Bo,1\n{line}\nC,Cy,2\n"
    rows = read_csv(text.encode(errors="surrogateescape"))
    assert [(row.number, row.reason) for row in rows] == [(1, ""), (2, reason), (3, "")]
    assert rows[2].song.title == "C"


def test_a_quote_that_is_never_closed_is_not_taken_for_a_song() -> None:
    rows = read_csv('title,artist\nA,Ann\n"B,Bo\nC,Cy\n')
    assert [(row.number, row.reason) for row in rows] == [
        (1, ""),
        (2, "cannot be read as CSV: unexpected end of data"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its header has no column 'title', only nothing"),
        ("song no;artist\n1;Ann\n", "its header has no column 'title', only 'song no', 'artist'"),
        ('"title"x,artist\n', "its header cannot be read: "),
    ],
)
def test_a_file_that_is_no_table_of_songs_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=reason):
        read_csv(text)


def test_columns_that_a_song_has_no_field_for_are_named() -> None:
    songs = CsvSongs(io.BytesIO(b"row,reason,Title,artist,mood,licence_url\n1,bad,A,Ann,x,y\n"))
    assert songs.ignored == ["mood", "licence_url"]
    assert [row.song for row in songs] == [Song(title="A", artists=["Ann"])]


def test_rejected_rows_of_a_table_can_be_imported_again() -> None:
    source = b'title,artist,mood\n"A\n""b""",,x\nC,Cy\nD\xff,Di,y\n'
    songs = CsvSongs(io.BytesIO(source))
    out = io.StringIO()
    add = songs.rejects(out)
    for row in songs:
        add(row, row.reason or "no artist")
    written = out.getvalue()
    assert list(csv.reader(io.StringIO(written))) == [
        ["row", "reason", "title", "artist", "mood"],
        ["1", "no artist", 'A\n"b"', "", "x"],
        ["2", "has 2 columns where the header has 3", "C", "Cy"],
        ["3", "title: must be UTF-8", "D\udcff", "Di", "y"],
    ]
    again = CsvSongs(io.BytesIO(written.encode(errors="surrogateescape")))
    assert again.ignored == ["mood"]
    assert next(iter(again)).song == Song(title='A\n"b"')
    second = io.StringIO()
    again.rejects(second)
    assert second.getvalue() == "row,reason,title,artist,mood\r\n"


def test_a_song_in_json_is_read_by_its_line() -> None:
    rows = read_json('\ufeff{"title": "A", "artists": ["Ann"]}\n\n{"title": "B", "bpm": 90}\n')
    assert [(row.number, row.song) for row in rows] == [
        (1, Song(title="A", artists=["Ann"])),
        (3, Song(title="B", bpm=90)),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"title": "A"', "Expecting ',' delimiter"),
        ('["A"]', "must be an object"),
        ('{"artists": {"1": "Ann"}}', "repeated field artists must be in"),
        ('{"artists": ["Ann", 5]}', "artists"),
        ('{"release_date": 5}', "YYYY"),
        ('{"duration": "3-25"}', "must be seconds"),
        ('{"release_date": {"year": "x"}}', "year"),
        ('{"track_number": 1e99}', "track_number"),
        ('{"title": "\\udcff"}', "Unpaired surrogate"),
        ("[" * 100_000, "recursion"),
        ("\udcff", "codec can't decode"),
    ],
    ids=range(11),
)
def test_a_line_that_is_no_song_stops_no_other(line: str, reason: str) -> None:
    text = f'{{"title": "B"}}\n{line}\n{{"title": "C"}}\n'
    before, bad, after = read_json(text.encode(errors="surrogateescape"))
    assert (before.song.title, before.reason) == ("B", "")
    assert (after.song.title, after.reason) == ("C", "")
    assert bad.reason.startswith("cannot be read as a song in JSON: ")
    assert reason in bad.reason
    assert "\n" not in bad.reason


def test_rejected_lines_can_be_imported_again() -> None:
    songs = JsonLinesSongs(io.BytesIO('{"title": "Zoë"}\n{"title"\n'.encode()))
    out = io.StringIO()
    add = songs.rejects(out)
    for row in songs:
        add(row, "no artist")
    lines = out.getvalue().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"row": 1, "reason": "no artist", "title": "Zoë"},
        {"row": 2, "reason": "no artist", "line": '{"title"'},
    ]
    assert next(iter(read_json(lines[0]))).song == Song(title="Zoë")


def test_positions_go_to_the_end_of_a_file_and_stay_0_in_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text("title,artist\n" + "A,Ann\n" * 10_000)
    with path.open("rb") as file:
        positions = [row.position for row in CsvSongs(file)]
    assert positions == sorted(positions)
    assert 0 < positions[0] < positions[-1] == path.stat().st_size
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe, os.fdopen(reading, "rb") as file:
        pipe.write(b'{"title": "A"}\n')
        pipe.close()
        assert [row.position for row in JsonLinesSongs(file)] == [0]


@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_fail(garbage: bytes) -> None:
    read_csv(b"title,artist,duration,release_date,bpm,explicit\n" + garbage)
    read_json(garbage)


KEYS = st.sampled_from(["year", "month", "seconds", "x", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(list(Song.DESCRIPTOR.fields_by_name)), JSON, max_size=4))
def test_no_values_in_json_make_a_reader_fail(values: dict[str, object]) -> None:
    (row,) = read_json(json.dumps(values))
    assert row.reason or isinstance(row.song, Song)
