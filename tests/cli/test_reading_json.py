"""Songs in JSON: arrays of them, and names that are not the contract's."""

import io
import json
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from songclient import Date, Song
from songclient.cli import reading_json
from songclient.cli.reading import Row, UnreadableFileError
from songclient.cli.reading_json import JsonLinesSongs, JsonSongs


def read(text: str | bytes, **mapped: str) -> list[Row]:
    return list(JsonSongs(io.BytesIO(text if isinstance(text, bytes) else text.encode()), mapped))


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_a_song_at_a_time(monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None) -> None:
    monkeypatch.setattr(reading_json, "CHUNK", chunk)
    values = [{"title": f"Étude ]}},{{ {number}", "artists": ["Zoë"]} for number in range(50)]
    rows = read("\ufeff\n " + json.dumps(values, indent=indent, ensure_ascii=False) + "\n")
    assert [row.number for row in rows] == list(range(1, 51))
    assert [row.song for row in rows] == [Song(title=str(each["title"]), artists=["Zoë"]) for each in values]
    assert not any(row.reason for row in rows)


def test_an_array_of_nothing_has_no_songs() -> None:
    assert read("[]") == read("[ \n]") == []


@pytest.mark.parametrize("text", ["", "{}", "5", '{"title": "A"}\n'])
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFileError, match="--format jsonl"):
        read(text)


def test_a_value_that_is_no_song_stops_no_other() -> None:
    rows = read('[{"title": "A"}, 5, {"title": {}}, {"title": "C"}]')
    assert [row.song.title for row in rows] == ["A", "", "", "C"]
    assert [bool(row.reason) for row in rows] == [False, True, True, False]


@pytest.mark.parametrize("rest", ['{"title"', "{]", "", '{"title": "B"} {"title": "C"}, nonsense'])
def test_after_what_is_no_json_nothing_can_be_read(rest: str) -> None:
    rows = read('[{"title": "A"}, ' + rest)
    assert rows[0].song.title == "A"
    assert "nor can what follows" in rows[-1].reason
    assert len(rows) < 5


def test_a_long_array_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "songs.json"
    with path.open("w") as file:
        file.write("[" + ",\n".join('{"title": "A", "artists": ["Ann"]}' for _ in range(100_000)) + "]")
    with path.open("rb") as file:
        songs = JsonSongs(file)
        positions = [(row.position, len(songs._buffer)) for row in songs]
    assert len(positions) == 100_000
    assert max(size for _, size in positions) < 4 * reading_json.CHUNK
    assert positions[0][0] < positions[-1][0] == path.stat().st_size


def test_names_of_tables_are_taken_too_and_others_where_they_are_mapped() -> None:
    (row,) = read(
        '[{"Name": "A", "artist": "Ann; Bo", "year": 1999, "Explicit": true, "Plays": 7}]', Plays="popularity"
    )
    assert row.reason == ""
    song = row.song
    assert (song.title, list(song.artists), song.release_date.year) == ("A", ["Ann; Bo"], 1999)
    assert (song.explicit, song.popularity) == (True, 7)
    (line,) = JsonLinesSongs(io.BytesIO(b'{"t": "A", "artist": ["Ann", "Bo"]}'), {"t": "title"})
    assert (line.song.title, list(line.song.artists)) == ("A", ["Ann", "Bo"])


def test_a_field_may_have_what_a_table_would_have() -> None:
    (row,) = read('[{"title": "A", "artists": "Ann; Bo", "duration": 205.5, "releaseDate": "1999-05", "bpm": "90"}]')
    assert row.reason == ""
    assert row.song == Song(
        title="A",
        artists=["Ann", "Bo"],
        duration=Duration(seconds=205, nanos=500_000_000),
        release_date=Date(year=1999, month=5),
        bpm=90,
    )


def test_names_that_a_song_has_no_field_for_are_told_once() -> None:
    songs = JsonSongs(io.BytesIO(b'[{"title": "A", "mood": "sad"}, {"title": "B", "mood": {}, "x": 1}]'))
    assert [(row.song.title, row.reason) for row in songs] == [("A", ""), ("B", "")]
    assert songs.ignored == ["mood", "x"]


def test_what_the_server_sets_is_left_out() -> None:
    (row,) = read('[{"title": "A", "id": 5, "etag": "7", "createTime": "2001-01-01T00:00:00Z", "created_by": "me"}]')
    assert (row.song, row.reason) == (Song(title="A"), "")


def test_rejected_songs_can_be_imported_again() -> None:
    songs = JsonSongs(io.BytesIO('[{"title": "Zoë"}, 5]'.encode()))
    out = io.StringIO()
    add = songs.rejects(out)
    for row in songs:
        add(row, "no artist")
    lines = out.getvalue().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"row": 1, "reason": "no artist", "title": "Zoë"},
        {"row": 2, "reason": "no artist", "value": 5},
    ]
    again = list(JsonLinesSongs(io.BytesIO(lines[0].encode())))
    assert [row.song for row in again] == [Song(title="Zoë")]


@given(st.lists(st.sampled_from(["[", "]", "{", "}", '"', ",", ":", " ", '"title"', "1", "\\", "\udcff"]), max_size=30))
def test_no_text_makes_the_reader_fail(parts: list[str]) -> None:
    read(b"[" + "".join(parts).encode(errors="surrogateescape"))
