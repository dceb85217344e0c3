"""The words of a text: as they are searched for, as they are ordered by, and where they are."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songserver.text import canonical
from songserver.words import LONGEST_WORD, romanized, scan, tokens, words

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Orange Horizon", ["orange", "horizon"]),
        ("Don't don’t dont", ["dont", "dont", "dont"]),
        ("AC/DC (Live) [2019]", ["ac", "dc", "live", "2019"]),
        ("Chlöe Wîld", ["chloe", "wild"]),
        ("Straße", ["strasse"]),
        ("Ｗｉｄｅ", ["wide"]),
        ("Калинка", ["kalinka"]),
        ("\u0301", []),
        ("!!! ...", []),
        ("$where", ["where"]),
        ("a.b.$c", ["a", "b", "c"]),
        ("\x00a\x00b", ["a", "b"]),
        ("", []),
    ],
)
def test_words_are_in_latin_letters_and_digits(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(TEXT)
def test_words_are_lower_case_and_stay_as_they_are(text: str) -> None:
    found = words(text)

    assert all(word and word.isascii() and word.isalnum() and word == word.lower() for word in found)
    assert words(" ".join(found)) == found


@given(TEXT)
def test_the_canonical_form_has_the_same_words(text: str) -> None:
    assert words(canonical(text)) == words(text)


def test_words_of_other_scripts_are_found_as_they_are_written() -> None:
    for text in ("夜に駆ける", "ヨアソビ", "한국어", "أغنية", "עברית", "ไทย", "ελληνικά", "हिन्दी"):
        assert words(text), text


@given(TEXT)
def test_words_are_found_quickly_as_they_are_letter_by_letter(text: str) -> None:
    text = canonical(text)

    assert words(text) == [name for word in scan(text) if (name := romanized(word))]


@given(TEXT)
def test_every_letter_of_a_word_has_its_place_in_the_text(text: str) -> None:
    text = canonical(text)
    spans = [span for word in scan(text) for span in word.spans]

    assert all(len(word.letters) == len(word.spans) for word in scan(text))
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    # A character may stand for several letters, and no two characters for the same.
    assert all(one == other or one.end <= other.start for one, other in itertools.pairwise(spans))
    for word in scan(text):
        part = text[word.spans[0].start : word.spans[-1].end]
        # A part of a character is no word of its own.
        assert word.letters in "".join(each.letters for each in scan(part))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Don't stop", {"dont": "Don't", "stop": "stop"}),
        ("Große Straße", {"grosse": "Große", "strasse": "Straße"}),
        ("ﬁne Ⅷ", {"fine": "ﬁne", "viii": "Ⅷ"}),
        ("z\u0300\u0301e", {"ze": "z\u0300\u0301e"}),
        ("夜に駆けるabc", {"夜に駆ける": "夜に駆ける", "abc": "abc"}),
        ("ｶﾞ ㌔", {"ガ": "ｶﾞ", "キロ": "㌔"}),
        ("\U0001f3b5x", {"musical": "\U0001f3b5", "note": "\U0001f3b5", "x": "x"}),
    ],
)
def test_words_are_where_they_are_written(text: str, places: dict[str, str]) -> None:
    assert {word.letters: text[word.spans[0].start : word.spans[-1].end] for word in scan(text)} == places


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Orange Horizon", ["orange", "horizon"]),
        ("夜に駆ける", ["夜に", "に駆", "駆け", "ける", "る", "yeniqukeru"]),
        ("夜", ["夜", "ye"]),
        ("ヨアソビ live", ["ヨア", "アソ", "ソビ", "ビ", "yoasobi", "live"]),
        ("한국어 노래", ["hangugeo", "nolae"]),
        ("々", ["々"]),
        ("x" * 100, ["x" * LONGEST_WORD]),
        ("é" * 100, ["e" * LONGEST_WORD]),
    ],
)
def test_a_text_is_found_by_its_words_and_pairs_of_cjk_characters(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(TEXT)
def test_every_letter_of_a_text_begins_or_continues_a_token(text: str) -> None:
    text = canonical(text)
    found = tokens(text)

    for word in scan(text):
        if word.is_cjk:
            for character in word.letters:
                assert any(token.startswith(character) for token in found)
        else:
            assert word.letters[:LONGEST_WORD] in found


def test_all_characters_of_unicode_have_places() -> None:
    for start in range(0, 0x110000, 0x1000):
        assigned = [chr(number) for number in range(start, start + 0x1000)]
        text = "".join(character for character in assigned if unicodedata.category(character) not in {"Cn", "Co", "Cs"})
        text = unicodedata.normalize("NFC", text)

        assert words(text) == [name for word in scan(text) if (name := romanized(word))], hex(start)
