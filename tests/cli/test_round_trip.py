"""An export that is imported into an empty catalogue gives the same catalogue, whatever songs it has."""

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from songclient import Date, Song, SongClient
from songclient.cli.reading import Songs
from songclient.cli.reading_csv import CsvSongs
from songclient.cli.reading_json import JsonLinesSongs
from songclient.cli.writing import WRITERS
from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songserver.errors import InvalidRequest
from songserver.rules import Rules
from songserver.testing import SongServer

READERS: dict[str, Callable[[BinaryIO], Songs]] = {"csv": CsvSongs, "jsonl": JsonLinesSongs}
SERVER_SET = ("id", "etag", "create_time", "update_time", "created_by")
RULES = Rules()

LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Mn", "Mc", "Me"])
SIGNS = st.sampled_from([*";,\"'[]{}?=-/# \\", '["', '"]', "[]", '"?"', "\u3000", "\u200b"])


def text(longest: int = 12) -> st.SearchStrategy[str]:
    """Text with what tables and lists are parted and quoted by."""
    return st.lists(SIGNS | LETTERS, max_size=longest).map("".join)


def texts(most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(text().filter(str.strip), max_size=most)


DATES = st.builds(Date, year=st.integers(1000, 2100)) | st.dates().filter(lambda day: 1000 <= day.year <= 2100).map(
    lambda day: Date(year=day.year, month=day.month, day=day.day if day.toordinal() % 3 else 0)
)
LYRICS = st.lists(SIGNS | LETTERS | st.sampled_from(["\n", "\r\n", "\t", "\0", "\r"]), max_size=20).map("".join)
SONGS = st.builds(
    Song,
    title=text().filter(str.strip),
    artists=st.lists(text().filter(str.strip), min_size=1, max_size=3),
    album=text(),
    album_artists=texts(),
    track_number=st.integers(0, 9999),
    disc_number=st.integers(0, 9999),
    genres=texts(),
    release_date=st.none() | DATES,
    duration=st.none() | st.builds(Duration, seconds=st.integers(1, 86_399), nanos=st.integers(0, 999_999_999)),
    isrc=st.sampled_from(["", "USRC17607839"]),
    language=st.sampled_from(["", "pt-BR"]),
    label=text() | st.just("?"),
    bpm=st.floats(0, 1000),
    explicit=st.none() | st.booleans(),
    tags=texts(),
    external_ids=st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True), text().filter(str.strip)),
    lyrics=LYRICS,
    popularity=st.integers(0, 1_000_000_000),
)


def canonical(song: Song) -> Song | None:
    """The song as the server has it; None if it does not take it."""
    try:
        RULES.check(song)
    except InvalidRequest:
        return None
    return song


KEPT = SONGS.map(canonical).filter(bool)


@pytest.mark.parametrize("form", READERS)
@given(songs=st.lists(KEPT, max_size=5))
def test_what_is_written_is_read_as_it_was(form: str, songs: list[Song]) -> None:
    begin, write = WRITERS[form]
    rows = list(READERS[form](io.BytesIO((begin + write(songs)).encode())))
    assert [row.reason for row in rows] == [""] * len(songs)
    assert [row.song for row in rows] == songs


@pytest.fixture
def client(empty_server: SongServer) -> Iterator[SongClient]:
    """A client that may add songs."""
    username, password = empty_server.sign_up("round-trip", PRIVILEGE_EDITOR)
    with SongClient(empty_server.address, username=username, password=password) as client:
        yield client


@pytest.mark.parametrize("form", READERS)
# Each example leaves the catalogue empty.
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(songs=st.lists(KEPT, max_size=4))
def test_an_export_gives_the_same_catalogue_again(client: SongClient, form: str, songs: list[Song]) -> None:
    list(client.import_songs(songs))
    before = list(client.export_songs())
    begin, write = WRITERS[form]
    exported = (begin + write(before)).encode()
    _remove_all(client)

    list(client.import_songs(row.song for row in READERS[form](io.BytesIO(exported))))

    after = list(client.export_songs())
    _remove_all(client)
    assert [_own(song) for song in after] == [_own(song) for song in before]


def _remove_all(client: SongClient) -> None:
    for song in client.export_songs():
        client.delete_song(song.id)


def _own(song: Song) -> Song:
    """What of a song is not set by the server."""
    for name in SERVER_SET:
        song.ClearField(name)  # type: ignore[arg-type]  # names of the contract
    return song
