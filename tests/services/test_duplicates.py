"""FindDuplicates: songs that are there more than once, by ISRC or by title, artists and duration."""

import secrets
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from songs.v1.song_duplicates_pb2 import (
    DUPLICATE_KIND_ISRC,
    DUPLICATE_KIND_TITLE_AND_ARTISTS,
    DuplicateGroup,
    DuplicateKind,
    FindDuplicatesRequest,
)
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import ImportItem, ImportSongsRequest
from tests.conftest import Caller, failure

BY_ISRC = {"kinds": [DUPLICATE_KIND_ISRC]}
BY_TITLE = {"kinds": [DUPLICATE_KIND_TITLE_AND_ARTISTS]}


@pytest.fixture
def genre() -> str:
    """Of the songs of one test, among which duplicates are looked for."""
    return f"Genre {secrets.token_hex(6)}"


def groups(caller: Caller, genre: str, **options: Any) -> list[DuplicateGroup]:
    request = FindDuplicatesRequest(filter=SongFilter(genre=genre), **options)
    return [group for response in caller.songs.FindDuplicates(request) for group in response.groups]


def found(caller: Caller, genre: str, **options: Any) -> list[list[str]]:
    """The ids in each group."""
    return sorted([song.id for song in group.songs] for group in groups(caller, genre, **options))


def isrc() -> str:
    return f"GBAYE{secrets.randbelow(10**7):07}"


def test_songs_with_the_same_isrc_are_found(editor: Caller, genre: str) -> None:
    code = isrc()
    same = [editor.create(isrc=code, genres=[genre], lyrics="La") for _ in range(3)]
    editor.create(isrc=isrc(), genres=[genre])
    editor.create(genres=[genre])
    editor.create(genres=[genre])

    (group,) = groups(editor, genre, **BY_ISRC)

    for song in same:
        song.lyrics = ""
    assert group == DuplicateGroup(kind=DUPLICATE_KIND_ISRC, songs=same, size=3)


def test_title_and_artists_are_compared_without_regard_to_case_accents_and_signs(editor: Caller, genre: str) -> None:
    name = secrets.token_hex(6)
    same = [
        editor.create(title, artists=artists, genres=[genre])
        for title, artists in (
            ("Déjà vu!", [f"Zoë {name}", "Bob"]),
            ("deja  VU", [f"ZOE {name}", "bob"]),
            ("Deja Vu", [f"Zoe {name.upper()}", "Bob."]),
        )
    ]
    editor.create("Deja Vu", artists=[f"Zoe {name}"], genres=[genre])
    editor.create("Deja Vu Again", artists=[f"Zoe {name}", "Bob"], genres=[genre])

    assert found(editor, genre, **BY_TITLE) == [[song.id for song in same]]


@pytest.mark.parametrize(
    ("durations", "options", "expected"),
    [
        ([180, 182], {}, [[0, 1]]),
        ([180, 182.001], {}, []),
        ([180, 182.001], {"duration_difference": Duration(seconds=3)}, [[0, 1]]),
        ([180, 180, 181], {"duration_difference": Duration()}, [[0, 1]]),
        ([180, 181.5, 183, 400, 401], {}, [[0, 1, 2], [3, 4]]),
        ([None, None], {}, [[0, 1]]),
        ([180, None, 400], {}, [[0, 1], [1, 2]]),
    ],
)
def test_durations_must_be_close(
    editor: Caller, genre: str, durations: list[float | None], options: dict[str, Any], expected: list[list[int]]
) -> None:
    artist = f"Artist {secrets.token_hex(6)}"
    ids = []
    for number, seconds in enumerate(durations):
        song = Song(title="A Song", artists=[artist], album=f"Album {number}", genres=[genre])
        if seconds is not None:
            song.duration.FromMilliseconds(round(seconds * 1000))
        items = [ImportItem(song=song)]
        ids.append(next(iter(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)])))).results[0].song_id)

    assert found(editor, genre, **BY_TITLE, **options) == [[ids[place] for place in group] for group in expected]


def test_both_kinds_are_looked_for_where_none_is_named(editor: Caller, genre: str) -> None:
    artist, code = f"Artist {secrets.token_hex(6)}", isrc()
    editor.create(artists=[artist], album="One", genres=[genre], isrc=code)
    editor.create(artists=[artist], album="Two", genres=[genre], isrc=code)

    kinds = [group.kind for group in groups(editor, genre)]

    assert kinds == [DUPLICATE_KIND_ISRC, DUPLICATE_KIND_TITLE_AND_ARTISTS]


def test_only_songs_of_the_filter_count(editor: Caller, genre: str) -> None:
    code = isrc()
    editor.create(isrc=code, genres=[genre])
    editor.create(isrc=code)

    assert found(editor, genre, **BY_ISRC) == []


def test_many_groups_and_large_ones_are_found(editor: Caller, genre: str) -> None:
    codes = [isrc() for _ in range(700)]
    songs = [
        Song(title=f"Song {number} {copy}", artists=[genre], genres=[genre], isrc=code)
        for copy in range(2)
        for number, code in enumerate(codes)
    ]
    large = isrc()
    songs += [Song(title=f"Large {number}", artists=[genre], genres=[genre], isrc=large) for number in range(130)]
    for start in range(0, len(songs), 500):
        items = [ImportItem(song=song) for song in songs[start : start + 500]]
        list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)])))

    all_found = groups(editor, genre, **BY_ISRC)

    assert {group.songs[0].isrc for group in all_found} == {*codes, large}
    assert len(all_found) == 701
    assert {(len(group.songs), group.size) for group in all_found} == {(2, 2), (100, 130)}


def test_what_cannot_be_read_is_refused(editor: Caller) -> None:
    for request, field in (
        (FindDuplicatesRequest(kinds=[DuplicateKind.ValueType(0)]), "kinds[0]"),
        (FindDuplicatesRequest(kinds=[DuplicateKind.ValueType(7)]), "kinds[0]"),
        (FindDuplicatesRequest(kinds=[DUPLICATE_KIND_ISRC] * 2), "kinds"),
        (FindDuplicatesRequest(duration_difference=Duration(seconds=-1)), "duration_difference"),
        (FindDuplicatesRequest(duration_difference=Duration(seconds=61)), "duration_difference"),
        (FindDuplicatesRequest(filter=SongFilter(isrc="x")), "filter.isrc"),
    ):
        refused = failure(editor.songs.FindDuplicates, request)
        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", [field])
