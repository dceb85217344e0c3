"""Playlists, as players write them."""

import io

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from songclient import Song
from songclient.cli.reading import Row
from songclient.cli.reading_m3u import M3uSongs

SECOND = Duration(seconds=1)


def read(text: str | bytes) -> list[Row]:
    return list(M3uSongs(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


@pytest.mark.parametrize(
    ("text", "song"),
    [
        (
            "#EXTM3U\n#EXTINF:245,The Paper Anchors - Orange Horizon\nmusic/1.mp3\n",
            Song(title="Orange Horizon", artists=["The Paper Anchors"], duration=Duration(seconds=245)),
        ),
        ("#EXTINF:-1,Ann - A - B\r\nhttp://radio.example/a\r\n", Song(title="A - B", artists=["Ann"])),
        (
            '#EXTINF:3.5 tvg-id="x" logo="y",Ann; Bo - A\na.mp3\n',
            Song(title="A", artists=["Ann", "Bo"], duration=Duration(seconds=3, nanos=500_000_000)),
        ),
        (
            "#EXTALB:Album\n#EXTGENRE:Rock; Pop\n#EXTART:A - Ha\n#EXTINF:1,A - Ha - Train\na.mp3\n",
            Song(title="Train", artists=["A - Ha"], album="Album", genres=["Rock", "Pop"], duration=SECOND),
        ),
        ("#EXTART:Ann\n#EXTINF:-1,Train of Thought\na.mp3\n", Song(title="Train of Thought", artists=["Ann"])),
        ("Music/07 - Ann - A Song.mp3\n", Song(title="A Song", artists=["Ann"])),
        ("C:\\Music\\Ann - A Song.mp3\n", Song(title="A Song", artists=["Ann"])),
        ("file:///Music/Ann%20-%20A%20Song.flac\n", Song(title="A Song", artists=["Ann"])),
        ("\ufeff#EXTM3U\n#EXTINF:-1,Zoë - Étude\na.mp3\n", Song(title="Étude", artists=["Zoë"])),
    ],
    ids=range(9),
)  # fmt: skip
def test_an_entry_is_a_song(text: str, song: Song) -> None:
    (row,) = read(text)
    assert (row.song, row.reason) == (song, "")


def test_a_playlist_of_windows_has_its_letters() -> None:
    (row,) = read("#EXTINF:-1,Zoë - Étude\na.mp3\n".encode("cp1252"))
    assert row.song == Song(title="Étude", artists=["Zoë"])


def test_an_entry_without_an_artist_stops_no_other_and_can_be_mended() -> None:
    songs = M3uSongs(io.BytesIO(b"#EXTM3U\n#EXTINF:9,Alone\n1.mp3\n#EXTINF:9,Ann - A\n2.mp3\n"))
    out = io.StringIO()
    add = songs.rejects(out)
    bad, good = songs
    add(bad, bad.reason)
    assert (bad.number, good.number, good.song.title) == (1, 2, "A")
    assert out.getvalue() == (
        "#EXTM3U\n#REJECTED row 1: names no artist: 'Alone' must be 'artist - title'\n#EXTINF:9,Alone\n1.mp3\n"
    )
    again = M3uSongs(io.BytesIO(out.getvalue().replace(",Alone", ",Ann - Alone").encode()))
    (mended,) = again
    assert mended.song.title == "Alone"
    second = io.StringIO()
    again.rejects(second, begin=False)(mended, "still bad")
    assert second.getvalue() == "#REJECTED row 1: still bad\n#EXTINF:9,Ann - Alone\n1.mp3\n"


@given(
    st.lists(
        st.sampled_from([b"#EXTINF:", b"9,", b"a - b", b"\n", b"#EXTALB:", b"\xff", b"://", b"\\", b"99999999999"])
    )
)
def test_no_lines_make_the_reader_fail(parts: list[bytes]) -> None:
    read(b"".join(parts))
