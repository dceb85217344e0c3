"""search, suggest, count."""

from typing import Any

import pytest

from tests.cli.conftest import TERMINAL, Songctl


@pytest.fixture
def shelf(editor: Songctl) -> Songctl:
    """A catalogue of three songs."""
    for title, artist, year in (
        ("Orange Horizon", "Ann", "1991"),
        ("Orange Sky", "Bob", "1992"),
        ("Blue", "Ann", "2001"),
    ):
        editor("add", "--title", title, "--artist", artist, "--genre", "Pop", "--release-date", year)
    return editor


def titles(songs: list[Any]) -> list[str]:
    return [song["title"] for song in songs]


def test_search_finds_words_as_they_are_typed(shelf: Songctl) -> None:
    assert titles(shelf.lines("search", "orange", "hor")) == ["Orange Horizon"]
    assert titles(shelf.lines("search", "ornage hor")) == ["Orange Horizon"]
    assert len(shelf.lines("search", "orange", "--limit", "1")) == 1
    assert shelf("search", "green").output == ""
    assert "no song has these words" in shelf("search", "green", env=TERMINAL).stderr


def test_search_has_filters(shelf: Songctl) -> None:
    assert titles(shelf.lines("search", "pop", "--artist", "ann", "--to", "1999")) == ["Orange Horizon"]


def test_suggest_tells_what_may_be_meant(shelf: Songctl) -> None:
    assert shelf("suggest", "ora").output == "title\tOrange Horizon\ntitle\tOrange Sky\n"
    assert shelf("suggest", "an").output == "artist\tAnn\n"


def test_count_counts(shelf: Songctl) -> None:
    assert shelf("count", "--exact").output == "3 songs\n"
    assert shelf("count").output == "about 3 songs\n"
    by = ("--by", "decade", "--by", "artist", "--top", "1")
    assert shelf("count", "--genre", "pop", *by).output == "3 songs\ndecade\t1990\t2\nartist\tAnn\t2\n"
    told = shelf.document("count", "--artist", "bob", "--by", "genre")
    assert told == {"total": 1, "estimated": False, "genre": {"estimated": False, "counts": {"Pop": 1}}}
