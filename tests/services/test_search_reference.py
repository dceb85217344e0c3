"""SearchSongs beside a plain search that reads every song: the same songs, in the same order, with any filter."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import ImportItem, ImportSongsRequest, SearchSongsRequest, SearchSongsResponse
from tests.conftest import Caller, lasting_server

WORDS = [
    "Sun",
    "Sunday",
    "sunny",
    "Möön",
    "moonlight",
    "Star",
    "Straße",
    "stars",
    "a",
    "be",
    "Beat",
    "beats",
    "夜",
    "夜空",
]
"""Words of songs; many begin alike."""
PLAIN = {"ö": "o", "ß": "ss"}
ASKED = [
    "s",
    "su",
    "sun",
    "sund",
    "m",
    "moo",
    "MOON",
    "st",
    "stars",
    "strass",
    "a",
    "b",
    "be",
    "bea",
    "beats",
    "夜",
    "空",
    "夜空",
]
FILTERS = [
    SongFilter(),
    SongFilter(artist="sun BEAT"),
    SongFilter(genre="Star"),
    SongFilter(year_from=1990, year_to=1999),
    SongFilter(genre="beats", year_to=1995),
    SongFilter(album="nothing"),
]
SONGS = 150
PAGE = 40


@dataclass(frozen=True)
class Catalogue:
    """A server, and all songs that are in it."""

    caller: Caller
    songs: list[Song]


@pytest.fixture(scope="module")
def catalogue(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    draw = random.Random(1)

    def name(most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    songs = [
        Song(
            title=name(3),
            artists=[draw.choice(["Sun Beat", "Star", "夜", "Möön Stars"])],
            album=name(2) if draw.random() < 0.6 else "",
            genres=draw.sample(["Star", "Beats", "Pop"], draw.randint(0, 2)),
            release_date={"year": draw.randint(1980, 2010)},
            popularity=draw.choice([0, 0, 5, 10, 1000]),
            track_number=number + 1,
        )
        for number in range(SONGS)
    ]
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("reference")) as server:
        caller = Caller.new(server, PRIVILEGE_EDITOR)
        request = ImportSongsRequest(items=[ImportItem(song=song) for song in songs])
        (answer,) = caller.songs.ImportSongs(iter([request]))
        for song, result in zip(songs, answer.results, strict=True):
            song.id = result.song_id
        yield Catalogue(caller, songs)


def plain(text: str) -> str:
    """A text as it is compared."""
    return "".join(PLAIN.get(letter, letter) for letter in text.lower())


def has(text: str, asked: str) -> bool:
    """Whether a word of a text begins with a word that was asked for; of CJK text, whether it is anywhere in it."""
    return asked in text if asked[0] in "夜空" else any(word.startswith(asked) for word in plain(text).split())


def is_whole(song: Song, asked: str) -> bool:
    words = plain(" ".join([song.title, *song.artists, song.album, *song.genres])).split()
    # A character by itself is a whole word where it ends one.
    return any(asked == word or (asked[0] in "夜空" and word.endswith(asked)) for word in words)


def place(song: Song, asked: list[str]) -> int | None:
    """Where a song stands, as the contract says; None if it does not have all words."""
    fields = [song.title, " ".join(song.artists), song.album, " ".join(song.genres)]
    firsts = [next((at for at, field in enumerate(fields) if has(field, word)), None) for word in asked]
    if None in firsts:
        return None
    return max(first for first in firsts if first is not None)


def selects(selected: SongFilter, song: Song) -> bool:
    return (
        (not selected.artist or plain(selected.artist) in map(plain, song.artists))
        and (not selected.genre or plain(selected.genre) in map(plain, song.genres))
        and (not selected.album or plain(selected.album) == plain(song.album))
        and (not selected.year_from or song.release_date.year >= selected.year_from)
        and (not selected.year_to or song.release_date.year <= selected.year_to)
    )


def expected(songs: list[Song], asked: list[str], selected: SongFilter) -> list[str]:
    """The ids of the songs that are to be found, the best first."""
    ranked = []
    for song in songs:
        if not selects(selected, song) or (last := place(song, asked)) is None:
            continue
        title, phrase = plain(song.title), " ".join(asked)
        best = 0 if title == phrase else 1 if title.startswith(phrase) else 2 + last
        partial = sum(not is_whole(song, word) for word in asked)
        ranked.append((best, partial, -song.popularity, song.id))
    return [song_id for *_, song_id in sorted(ranked)]


def pages(caller: Caller, request: SearchSongsRequest) -> Iterator[SearchSongsResponse]:
    while True:
        answer = caller.songs.SearchSongs(request)
        yield answer
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


@given(st.lists(st.sampled_from(ASKED), min_size=1, max_size=3, unique=True), st.sampled_from(FILTERS))
def test_the_same_songs_are_found_in_the_same_order(
    catalogue: Catalogue, asked: list[str], selected: SongFilter
) -> None:
    request = SearchSongsRequest(query=" ".join(asked), filter=selected, page_size=PAGE)

    answers = list(pages(catalogue.caller, request))

    found = [result.song.id for answer in answers for result in answer.results]
    wanted = expected(catalogue.songs, [plain(word) for word in asked], selected)
    assert found[: len(wanted)] == wanted
    # Of more songs than these a letter was forgiven, which is for where there is little.
    assert len(found) == len(wanted) or (answers[0].forgiving and len(wanted) < 3)
    assert all(len(answer.results) == PAGE for answer in answers[:-1])


def test_pages_are_of_one_query_and_filter(catalogue: Catalogue) -> None:
    """Songs that come and go between two pages show none twice."""
    request = SearchSongsRequest(query="sun", page_size=PAGE)
    first = catalogue.caller.songs.SearchSongs(request)
    request.page_token = first.next_page_token
    rest = {result.song.id for answer in pages(catalogue.caller, request) for result in answer.results}

    assert rest.isdisjoint(result.song.id for result in first.results)
    assert len(rest) + PAGE == len(expected(catalogue.songs, ["sun"], SongFilter()))
