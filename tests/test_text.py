"""The forms of text: canonical, folded."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songserver.text import (
    MOST_MARKS,
    WHITE_SPACE,
    canonical,
    canonical_isrc,
    folded,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
EVERY_CHARACTER = [chr(number) for number in range(0x110000) if not 0xD800 <= number < 0xE000]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a  b  ", "a  b"),
        ("\u3000\u00a0é\u2028", "é"),
        ("e\u0301", "é"),
        ("Å", "Å"),
        ("ﬁ Ｗ", "ﬁ Ｗ"),
        ("", ""),
        ("a\u200d\U0001f468\u200d\U0001f469", "a\u200d\U0001f468\u200d\U0001f469"),
        ("\u202eabc", "\u202eabc"),
    ],
)
def test_canonical_text_is_nfc_without_blanks_around(text: str, expected: str) -> None:
    assert canonical(text) == expected


@given(TEXT)
def test_canonical_text_stays_as_it_is(text: str) -> None:
    once = canonical(text)

    assert canonical(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip(WHITE_SPACE)


def test_white_space_is_what_unicode_calls_so() -> None:
    separators = {character for character in EVERY_CHARACTER if unicodedata.category(character) in {"Zs", "Zl", "Zp"}}

    assert set(WHITE_SPACE) == separators | set("\t\n\v\f\r\x85")


def test_text_of_too_many_marks_is_left_to_its_rules() -> None:
    """To put n marks into their order takes n * n steps: a request of 4 MB once held up the server for minutes."""
    most, marks = "e" + "\u0301\u0327" * (MOST_MARKS // 2), "e" + "\u0301\u0327" * 1_000_000
    started = time.monotonic()

    assert canonical(marks) == marks
    assert canonical(f" {most} ") == unicodedata.normalize("NFC", most)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [("us-rc1-76-07839", "USRC17607839"), (" US RC1\t76 07839\n", "USRC17607839"), ("- -", ""), ("", "")],
)
def test_an_isrc_is_told_without_hyphens_and_blanks(text: str, expected: str) -> None:
    assert canonical_isrc(text) == expected


@given(TEXT)
def test_a_canonical_isrc_stays_as_it_is(text: str) -> None:
    assert canonical_isrc(canonical_isrc(text)) == canonical_isrc(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("Ｗｉｄｅ", "wide"),
        ("ﬁne", "FINE"),
        ("a \t\u3000 b", "A B"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("e\u0301", "É"),
        ("ǅ", "ǆ"),
        ("\u0130stanbul", "i\u0307stanbul"),
        ("\u1fb3\u0301", "\u0391\u0345\u0301"),
    ],
)
def test_texts_that_differ_in_case_and_form_only_are_folded_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("e", "é"), ("a b", "ab"), ("1", "2"), ("O", "Ø"), ("don't", "dont")])
def test_texts_that_differ_in_more_are_not(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@given(TEXT)
def test_folded_text_stays_as_it_is(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded(canonical(text)) == folded(text)


def test_every_character_folds_once_and_for_all() -> None:
    # Most are not assigned, or for private use: these are what they are.
    others = "".join(character for character in EVERY_CHARACTER if unicodedata.category(character) in {"Cn", "Co"})
    known = set(EVERY_CHARACTER) - set(others)

    assert folded(others) == others
    assert [character for character in known if folded(folded(character)) != folded(character)] == []


def test_case_and_form_of_any_letter_make_no_difference() -> None:
    # ASCII and not: what is folded quickly is folded the same.
    for text in ("I", "K", "A", "s", "ſ", "K", "Å", "ß", "ẞ"):
        assert folded(text) == folded(unicodedata.normalize("NFD", text)) == folded(text.lower())
