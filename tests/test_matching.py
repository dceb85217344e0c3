"""How the words of a query match a song, against what anybody would say who reads both."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songs.v1.song_pb2 import Song
from songserver.matching import MOST_TERMS, Query, Row, Term, matches, ranges_in, rank

FOLDED = {
    **{letter: letter for letter in "abcs1"},
    "A": "a",
    "S": "s",
    "é": "e",
    "É": "e",
    "ß": "ss",
    "ﬁ": "fi",
    "æ": "ae",
    "Ж": "zh",
    "Ⅷ": "viii",
    "½": "12",
    "'": "",
    "e\u0323\u0302": "e",
    "\u200b": "",
}
"""Characters, some of which are several letters or none."""
SIGNS = " -/,."
PIECES = st.lists(st.sampled_from([*FOLDED, *SIGNS]), max_size=24)
ASKED = st.lists(st.text("abcesfizhv12", min_size=1, max_size=3), min_size=1, max_size=3)


def places_of(pieces: Sequence[str], asked: Sequence[str]) -> set[int]:
    """The characters of a text that words which were asked for are the beginning of, one after the other."""
    places: set[int] = set()
    letters: list[tuple[str, range]] = []
    at = 0
    for piece in [*pieces, " "]:
        if piece in SIGNS:
            word = "".join(letter for letter, _ in letters)
            for beginning in asked:
                if word.startswith(beginning):
                    places.update(range(letters[0][1].start, letters[len(beginning) - 1][1].stop))
            letters.clear()
        letters += [(letter, range(at, at + len(piece))) for letter in FOLDED.get(piece, "")]
        at += len(piece)
    return places


@given(PIECES, ASKED)
def test_ranges_are_where_the_words_stand_in_the_text_as_it_is_written(pieces: list[str], asked: list[str]) -> None:
    text = "".join(pieces)

    ranges = ranges_in(text, Query.of(" ".join(asked)))

    # "½" is "1⁄2", two words.
    expected = places_of([part for piece in pieces for part in (["1", "/", "2"] if piece == "½" else [piece])], asked)
    if "½" not in pieces:
        assert {at for part in ranges for at in range(part.start, part.end)} == expected
    assert all(0 <= part.start < part.end <= len(text) for part in ranges)
    assert all(one.end < other.start for one, other in itertools.pairwise(ranges))


@pytest.mark.parametrize(
    ("text", "query", "parts"),
    [
        ("Orange Horizon", "hor ORA", ["Ora", "Hor"]),
        ("Don't Stop", "dont", ["Don't"]),
        ("Don't Stop", "don", ["Don"]),
        ("Große Straße", "stras", ["Straß"]),
        ("Große Straße", "strass", ["Straß"]),
        ("ﬁne ﬁre", "f", ["ﬁ", "ﬁ"]),
        ("o\u0323\u0302o", "o", ["o\u0323\u0302"]),
        ("夜に駆ける", "に駆け", ["に駆け"]),
        ("夜に駆ける夜", "夜", ["夜", "夜"]),
        ("夜に駆ける", "yeni", ["夜に駆ける"]),
        ("ヨアソビ live", "ｿﾋﾞ li", ["ソビ", "li"]),
        ("ｿﾋﾞ", "ビ", ["ﾋﾞ"]),
        ("aaa aa a", "aa", ["aa", "aa"]),
        ("Orange", "range", []),
        ("\U0001f3b5 note", "note", ["\U0001f3b5", "note"]),
    ],
)
def test_what_matches_is_told_in_the_text_as_it_is_written(text: str, query: str, parts: list[str]) -> None:
    assert [text[part.start : part.end] for part in ranges_in(text, Query.of(query))] == parts


def test_of_a_word_with_wrong_letters_all_is_told() -> None:
    query = Query([Term("hroizn", near={"horizon": 2})], "hroizn")

    assert [(part.start, part.end) for part in ranges_in("Orange Horizon", query)] == [(7, 14)]


def test_every_field_that_matches_is_told_with_the_item() -> None:
    song = Song(title="Blue", artists=["Red", "Blue Man"], album="The Blues", genres=["Blues", "Rock"], label="Blue")
    song.isrc = "USRC17607839"

    found = matches(song, Query.of("blue"))

    assert [(match.field, match.index) for match in found] == [
        ("title", 0),
        ("artists", 1),
        ("album", 0),
        ("genres", 0),
    ]
    assert [match.field for match in matches(song, Query.of("us-rc1-76-07839"))] == ["isrc"]


def test_a_query_has_each_word_once_and_a_bounded_number_of_them() -> None:
    assert [term.letters for term in Query.of("a b a").terms] == ["a", "b"]
    assert len(Query.of(" ".join(f"w{number}" for number in range(40))).terms) == MOST_TERMS
    assert Query.of("!?").terms == []


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("blue", "blue sky"),
        ("blue sky", "the blue"),
        ("bluer", "the blue"),
        ("the blue", "| blue"),
        ("| blue", "| | blue"),
        ("| | blue", "| | | blue"),
        ("the blue", "the bluer"),
        ("the bluer", "| blue"),
    ],
)
def test_places_come_in_the_order_of_the_contract(better: str, worse: str) -> None:
    """A song is written as title | artists | album | others. Popularity does not help against a better place."""

    def row(text: str, popularity: int) -> Row:
        fields = [field.split() for field in text.split("|")]
        fields += [[]] * (4 - len(fields))
        ends = [sum(map(len, fields[:count])) for count in (1, 2, 3)]
        return Row("id", " ".join(fields[0]), [word for field in fields for word in field], ends, popularity)

    query = Query.of("blue")
    one, other = rank(row(better, 0), query), rank(row(worse, 1000), query)
    assert one
    assert other
    assert one < other


def test_what_is_as_typed_comes_before_what_is_not() -> None:
    query = Query([Term("blue", near={"glue": 1})], "blue")
    as_typed = rank(Row("1", "a", ["a", "b", "c", "d", "blue"], [1, 2, 3], 0), query)
    forgiven = rank(Row("2", "glue", ["glue"], [1, 1, 1], 1000), query)

    assert as_typed
    assert forgiven
    assert (as_typed.errors, forgiven.errors) == (0, 1)
    assert as_typed < forgiven


def test_a_song_without_one_of_the_words_has_no_rank() -> None:
    assert rank(Row("1", "blue", ["blue"], [1, 1, 1], 0), Query.of("blue sky")) is None
