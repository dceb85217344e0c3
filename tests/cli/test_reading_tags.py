"""Audio files, by their tags."""

import io
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from songclient import Date, Song
from songclient.cli.reading_tags import TaggedSongs
from tests.cli.audio import flac, mp3, wav

REAL = Path(__file__).parents[3] / "shared" / "data" / "audio"


def test_the_tags_of_a_flac_are_a_song(tmp_path: Path) -> None:
    flac(
        tmp_path / "a.flac",
        "TITLE=A Song", "ARTIST=Ann", "ARTIST=Bo", "ALBUM=An Album", "ALBUMARTIST=Ann", "TRACKNUMBER=2", "DISCNUMBER=1",
        "GENRE=Rock", "DATE=1999-12-31", "ISRC=USRC17607839", "LABEL=Dewtone", "BPM=90", "LYRICS=la\nla",
        "MUSICBRAINZ_TRACKID=8b882575-08a5-4452-a7a7-cbb8a1531f9e", "LANGUAGE=eng",
    )  # fmt: skip
    (row,) = TaggedSongs(tmp_path)
    assert row.reason == ""
    assert row.song == Song(
        title="A Song",
        artists=["Ann", "Bo"],
        album="An Album",
        album_artists=["Ann"],
        track_number=2,
        disc_number=1,
        genres=["Rock"],
        release_date=Date(year=1999, month=12, day=31),
        duration=Duration(seconds=2),
        isrc="USRC17607839",
        language="eng",
        label="Dewtone",
        bpm=90,
        lyrics="la\nla",
        external_ids={"musicbrainz": "8b882575-08a5-4452-a7a7-cbb8a1531f9e"},
    )


def test_mp3_and_wav_have_tags_too(tmp_path: Path) -> None:
    mp3(tmp_path / "a.MP3", TIT2="Étude", TPE1="Zoë", TRCK="3/12", TYER="2001", TCON="Jazz")
    wav(tmp_path / "b.wav", INAM="B", IART="Bo")
    first, second = (row.song for row in TaggedSongs(tmp_path))
    assert (first.title, list(first.artists), first.track_number) == ("Étude", ["Zoë"], 3)
    assert (first.release_date.year, list(first.genres), first.duration.seconds) == (2001, ["Jazz"], 0)
    assert (second.title, list(second.artists), second.duration.seconds) == ("B", ["Bo"], 1)


def test_a_folder_is_read_with_those_below_it_in_the_order_of_paths(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/c/2.flac", "b/1.flac", "z.flac", "a.flac"):
        flac(tmp_path / name, f"TITLE={name}", "ARTIST=Ann")
    (tmp_path / "cover.jpg").write_bytes(b"no sound")
    songs = TaggedSongs(tmp_path)
    rows = list(songs)
    assert [row.song.title for row in rows] == ["a.flac", "b/1.flac", "b/c/2.flac", "z.flac"]
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert rows[-1].position == songs.size == sum(path.stat().st_size for path in songs.paths)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no title and no artist in its tags"),
        (b"no sound at all", "cannot be read as audio: "),
        (["ARTIST=Ann"], "has no title in its tags"),
        (["TITLE= "], "has no title and no artist in its tags"),
    ],
    ids=range(4),
)
def test_a_file_without_usable_tags_stops_no_other(tmp_path: Path, content: bytes | list[str], reason: str) -> None:
    path = tmp_path / "bad.flac"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        flac(path, *content)
    flac(tmp_path / "good.flac", "TITLE=A", "ARTIST=Ann")
    songs = TaggedSongs(tmp_path)
    bad, good = songs
    assert bad.skipped
    assert bad.reason.startswith(reason)
    assert (good.song.title, good.skipped) == ("A", False)
    out = io.StringIO()
    songs.rejects(out)(bad, "why")
    assert out.getvalue() == f"row,reason,file\r\n1,why,{path}\r\n"


def test_a_tag_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    flac(tmp_path / "a.flac", "TITLE=A", "ARTIST=Ann", "BPM=fast", "TRACKNUMBER=A1", "DATE=0000")
    (row,) = TaggedSongs(tmp_path)
    assert row.song == Song(title="A", artists=["Ann"], duration=Duration(seconds=2))


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there")
def test_real_files_are_read() -> None:
    rows = {row.source.name: row for row in TaggedSongs(REAL)}
    assert {name for name, row in rows.items() if row.skipped} == {"date_with_slashes.ogg", "image.flac", "image.mp3"}
    for name in ("full.mp3", "full.flac", "full.ogg", "full.opus", "full.m4a", "full.aiff"):
        song = rows[name].song
        assert (song.title, list(song.artists), song.album) == ("full", ["the artist"], "the album")
        assert (song.track_number, song.disc_number, song.release_date.year) == (2, 4, 2001)
        assert (list(song.genres), song.bpm, song.duration.seconds) == (["the genre"], 6, 1)
        assert song.label == "the label"
