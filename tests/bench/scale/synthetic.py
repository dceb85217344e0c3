"""Synthetic songs without end: made of the words and names of real ones, which a seed draws.

The real ones are those of songs.csv of free-music net labels (see its README for where they come from, and their
licence). What it has is drawn as often as it has it: the words of titles, of albums and of names, how many of them, how
long songs last, how many an album has, its genres, label and year. What it has not is invented: an ISRC for two thirds
of the songs, and a popularity with a heavy tail, as few songs are played very often.
"""

import csv
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

from songserver.text import folded

T = TypeVar("T")

SEED = 1
WITH_ISRC = 2 / 3
KNOWN_ARTIST = 0.6
"""The part of albums that are not the first one of their artist."""
AGAIN = 1 / 200
"""The part of songs that are on a second album too, as compilations have them."""
REMEMBERED = 1000
"""The songs that may be on a second album, and the artists that may make a second one."""
COUNTRIES = ("DE", "FR", "GB", "JP", "QZ", "US")
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
MOST_POPULAR = 1_000_000_000
TAIL = 0.9
"""The exponent of the popularity's tail (Pareto's): the tenth part of the songs has nine tenths of it and more."""


class SyntheticSong(NamedTuple):
    """A row of a table of songs; the names of its columns are those that an import knows."""

    title: str
    artist: str
    album: str
    album_artist: str
    track_number: int
    disc_number: int
    duration_seconds: int
    year: str
    genre: str
    style: str
    label: str
    isrc: str
    popularity: int


@dataclass(frozen=True)
class Corpus:
    """What songs are made of: each as often as the real ones have it."""

    title_words: Sequence[str]
    title_lengths: Sequence[int]
    """In words."""
    name_words: Sequence[str]
    name_lengths: Sequence[int]
    album_words: Sequence[str]
    album_lengths: Sequence[int]
    album_sizes: Sequence[int]
    """In songs."""
    durations: Sequence[int]
    """In seconds."""
    releases: Sequence[tuple[str, str, str, str]]
    """Genre, style, label and year, which belong together."""
    is_compilation: float
    """The part of albums whose songs have artists of their own."""

    @classmethod
    def read(cls, path: Path) -> "Corpus":
        """Reads a table of real songs.

        Raises:
            OSError: If it is not there.
        """
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["title"].strip() and row["artist"].strip()]
            rows = [row for row in rows if row["duration_seconds"].isdecimal()]
        albums = [list(songs) for _, songs in groupby(sorted(rows, key=_release), _release)]
        names = [row["artist"] for row in rows]
        return cls(
            *_words(row["title"] for row in rows),
            *_words(names),
            *_words(songs[0]["album"] for songs in albums if songs[0]["album"]),
            album_sizes=[len(songs) for songs in albums],
            durations=[int(row["duration_seconds"]) for row in rows],
            releases=[(row["genre"], row["style"], row["label"], row["year"]) for row in rows],
            is_compilation=sum(len({song["artist"] for song in songs}) > 2 for songs in albums) / len(albums),
        )


def synthetic_songs(corpus: Corpus, seed: int = SEED) -> Iterator[SyntheticSong]:
    """Makes songs without end, album after album; the same of the same corpus and seed."""
    draw = random.Random(seed)
    artists: list[str] = []
    songs: list[SyntheticSong] = []
    albums: set[str] = set()
    while True:
        album = _text(draw, corpus.album_words, corpus.album_lengths)
        # An album that nobody else has, so that no song is the same as another one.
        while folded(album) in albums:
            album = f"{album} {draw.randint(2, 9999)}"
        albums.add(folded(album))
        genre, style, label, year = draw.choice(corpus.releases)
        is_compilation = draw.random() < corpus.is_compilation
        main = "Various Artists" if is_compilation else _artist(draw, corpus, artists)
        for track_number in range(1, draw.choice(corpus.album_sizes) + 1):
            if songs and draw.random() < AGAIN:
                song = draw.choice(songs)._replace(album=album, album_artist=main, track_number=track_number)
            else:
                song = SyntheticSong(
                    title=_text(draw, corpus.title_words, corpus.title_lengths),
                    artist=_artist(draw, corpus, artists) if is_compilation else main,
                    album=album,
                    album_artist=main,
                    track_number=track_number,
                    disc_number=1,
                    duration_seconds=draw.choice(corpus.durations),
                    year=year,
                    genre=genre,
                    style=style,
                    label=label,
                    isrc=_isrc(draw, year) if draw.random() < WITH_ISRC else "",
                    popularity=min(int(draw.paretovariate(TAIL)) - 1, MOST_POPULAR),
                )
            _remember(draw, songs, song)
            yield song


def write_songs(songs: Iterable[SyntheticSong], path: Path) -> None:
    """Writes songs as a table that can be imported."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SyntheticSong._fields)
        writer.writerows(songs)


def _release(row: Mapping[str, str]) -> tuple[str, str]:
    return row["album"], row["album_artist"]


def _words(texts: Iterable[str]) -> tuple[list[str], list[int]]:
    """The words of texts, and how many each has."""
    split = [text.split() for text in texts]
    return [word for words in split for word in words], [len(words) for words in split]


def _text(draw: random.Random, words: Sequence[str], lengths: Sequence[int]) -> str:
    return " ".join(draw.choices(words, k=draw.choice(lengths)))


def _artist(draw: random.Random, corpus: Corpus, known: list[str]) -> str:
    """Gives an artist, who may have made songs before."""
    if known and draw.random() < KNOWN_ARTIST:
        return draw.choice(known)
    name = _text(draw, corpus.name_words, corpus.name_lengths)
    _remember(draw, known, name)
    return name


def _remember(draw: random.Random, known: list[T], one: T) -> None:
    """Keeps some of all."""
    if len(known) < REMEMBERED:
        known.append(one)
    else:
        known[draw.randrange(REMEMBERED)] = one


def _isrc(draw: random.Random, year: str) -> str:
    registrant = "".join(draw.choices(LETTERS, k=3))
    return f"{draw.choice(COUNTRIES)}{registrant}{year[-2:] or '00'}{draw.randrange(100_000):05d}"
