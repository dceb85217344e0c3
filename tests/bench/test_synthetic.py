"""Synthetic songs: the same of the same seed, and as the real ones are."""

import csv
import random
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from rapidfuzz.distance import OSA

from songclient.cli.reading_csv import CsvSongs
from songserver.text import folded
from tests.bench.scale.measures import CALLS, WARM_UP
from tests.bench.scale.questions import LONG_ENOUGH, misspell, misspelt, searches
from tests.bench.scale.synthetic import AGAIN, WITH_ISRC, Corpus, SyntheticSong, synthetic_songs, write_songs

COLUMNS = "title artist album album_artist duration_seconds year genre style label".split()
REAL = [
    ("the moon", "Ann Lee", "First", "Ann Lee", "100", "1999", "Rock", "Indie", "North"),
    ("the sea", "Ann Lee", "First", "Ann Lee", "200", "1999", "Rock", "Indie", "North"),
    ("the", "Bo", "Second Night", "Bo", "300", "2005", "Pop", "", ""),
    ("the quiet rain again", "Bo", "Second Night", "Bo", "300", "2005", "Pop", "", ""),
    ("", "Nobody", "Lost", "Nobody", "999", "1901", "None", "", ""),
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "real.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *REAL])
    return Corpus.read(path)


@pytest.fixture
def songs(corpus: Corpus) -> list[SyntheticSong]:
    return list(islice(synthetic_songs(corpus), 20_000))


def test_the_same_seed_makes_the_same_songs(corpus: Corpus) -> None:
    first, again, other = (list(islice(synthetic_songs(corpus, seed), 500)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_words_come_as_often_as_in_real_titles(songs: list[SyntheticSong]) -> None:
    words = Counter(word for song in songs for word in song.title.split())

    assert words.keys() == {"the", "moon", "sea", "quiet", "rain", "again"}
    # Four of the nine words of the real titles.
    assert words["the"] / words.total() == pytest.approx(4 / 9, abs=0.01)
    assert words["moon"] / words.total() == pytest.approx(1 / 9, abs=0.01)


def test_titles_are_as_long_as_real_ones(songs: list[SyntheticSong]) -> None:
    lengths = Counter(len(song.title.split()) for song in songs)

    assert lengths.keys() == {1, 2, 4}
    assert lengths[2] / len(songs) == pytest.approx(1 / 2, abs=0.02)


def test_what_belongs_together_stays_together(songs: list[SyntheticSong]) -> None:
    releases = {(song.genre, song.style, song.label, song.year) for song in songs}

    assert releases == {("Rock", "Indie", "North", "1999"), ("Pop", "", "", "2005")}
    assert {song.duration_seconds for song in songs} == {100, 200, 300}
    assert {song.track_number for song in songs} == {1, 2}


def test_some_songs_are_there_more_than_once(songs: list[SyntheticSong]) -> None:
    with_isrc = [song.isrc for song in songs if song.isrc]
    again = len(with_isrc) - len(set(with_isrc))

    assert len(with_isrc) / len(songs) == pytest.approx(WITH_ISRC, abs=0.02)
    assert again / len(with_isrc) == pytest.approx(AGAIN, abs=AGAIN / 2)


def test_no_two_are_the_same_song(songs: list[SyntheticSong]) -> None:
    same = Counter((folded(song.title), folded(song.artist), folded(song.album), song.track_number) for song in songs)

    assert max(same.values()) == 1


def test_few_songs_have_most_of_the_popularity(songs: list[SyntheticSong]) -> None:
    popular = sorted((song.popularity for song in songs), reverse=True)

    assert sum(popular[: len(popular) // 10]) > 0.7 * sum(popular)
    assert popular[-1] == 0


def test_an_import_reads_what_is_written(songs: list[SyntheticSong], tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    write_songs(songs[:50], path)

    with path.open("rb") as file:
        table = CsvSongs(file)
        rows = list(table)

    assert table.ignored == []
    assert [row.reason for row in rows] == [""] * 50
    read, made = rows[7].song, songs[7]
    assert (read.title, list(read.artists), read.album, read.popularity) == (
        made.title,
        [made.artist],
        made.album,
        made.popularity,
    )
    assert (read.duration.seconds, read.release_date.year, read.isrc) == (
        made.duration_seconds,
        int(made.year),
        made.isrc,
    )


def test_questions_are_drawn_by_a_seed_from_what_there_is() -> None:
    words = [f"{first}{second}{third}urnal" for first in "abcdefghij" for second in "kl" for third in "mnopqrstu"]
    songs = [
        SyntheticSong(f"night {word}", "Ann Lee", "Long", "Ann Lee", 1, 1, 100, "1999", "", "", "", "", 0)
        for word in words[:150] * 2
    ]
    asked, wrong = searches(songs), misspelt(songs)

    assert (asked, wrong) == (searches(songs), misspelt(songs))
    assert {len(queries) for queries in (*asked.values(), *wrong.values())} == {CALLS + WARM_UP}
    known = {word for song in songs for text in song[:3] for word in str(text).lower().split()}
    assert {word for query in asked["3 words of a song"] for word in query.split()} <= known
    assert all(len(query) == 4 for query in asked["4 letters, common"])
    assert all(len(query) >= LONG_ENOUGH - 1 for query in wrong["misspelt"])


@pytest.mark.parametrize("word", ["night", "moon", "aaaaa", "letter"])
def test_a_misspelt_word_has_one_thing_wrong(word: str) -> None:
    draw = random.Random(1)
    wrong = {misspell(word, draw) for _ in range(100)}

    assert {OSA.distance(word, each) for each in wrong} == {1}
    assert {each[0] for each in wrong} == {word[0]}
