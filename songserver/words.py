"""The words of a text: as they are searched for, as they are ordered by, and where in the text they are.

A word is letters and digits of any script, put into Latin lower case without accents. Chinese and Japanese do not part
their words, so their characters are searched two by two. (Korean does part them: its words are treated like those of
other alphabets, so that they are found from their first letter on.)
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from anyascii import anyascii

LONGEST_WORD = 64
"""Letters of a word that count."""
MOST_TOKENS = 48
"""Different words, and pairs of CJK characters, by which a song is found: its entries in the search index."""
REMEMBERED = 4096
"""Texts whose words are remembered: songs that come together often have artists, albums and genres in common, and each
title is asked for more than once. At most some MB."""

_WORD = re.compile(r"[a-z0-9]+")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_CJK = re.compile(
    "[\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)
"""A character of the scripts Han, Hiragana and Katakana, after NFKC."""
_JOINING = re.compile("[\u1160-\u11ff\u3131-\u318e\uff9e-\uffdc]")
"""Letters of Hangul, and half-width sound marks, which NFKC makes one with the character before them."""


class Span(NamedTuple):
    """Some characters of a text."""

    start: int
    """The first one, in code points."""
    end: int
    """The first one after them."""


class Word(NamedTuple):
    """A word of a text, or a run of CJK characters."""

    letters: str
    """Latin lower-case letters and digits, or CJK characters."""
    spans: Sequence[Span]
    """What each of the letters stands for in the text."""
    is_cjk: bool


def scan(text: str) -> list[Word]:
    """Gives the words of a text, and where they are.

    Apostrophes and accents within a word do not part it: "Don't" and "dont" are the same word.
    """
    found: list[Word] = []
    letters: list[str] = []
    spans: list[Span] = []
    was_cjk = False

    def end_word() -> None:
        if letters:
            found.append(Word("".join(letters), tuple(spans), was_cjk))
            letters.clear()
            spans.clear()

    for letter, span, is_cjk in _letters(text):
        if letter == "'":
            continue
        if is_cjk is not was_cjk:
            end_word()
            was_cjk = is_cjk
        if is_cjk or _WORD.match(letter):
            letters.append(letter)
            spans.append(span)
        else:
            end_word()
    end_word()
    return found


def words(text: str) -> list[str]:
    """Gives the words of a text in Latin letters and digits, in their order; a run of CJK characters is one of them."""
    latin = _latin(text)
    if latin is not None:
        return list(latin)
    return [name for word in scan(text) if (name := romanized(word))]


def tokens(text: str) -> list[str]:
    """Gives what a text is found by, in its order: its words and, of a run of CJK characters, each two that stand
    together, the last one, and the run in Latin letters. So every character begins a token.
    """
    latin = _latin(text)
    if latin is not None:
        return [word[:LONGEST_WORD] for word in latin]
    found: list[str] = []
    for word in scan(text):
        if word.is_cjk:
            found += pairs(word.letters)
            found.append(word.letters[-1])
        if name := romanized(word):
            found.append(name[:LONGEST_WORD])
    return found


def pairs(characters: str) -> list[str]:
    """Gives each two characters that stand together."""
    return [characters[at : at + 2] for at in range(len(characters) - 1)]


def romanized(word: Word) -> str:
    """Gives a word in Latin letters and digits; empty if nobody knows how."""
    return _NO_WORD.sub("", anyascii(word.letters).lower()) if word.is_cjk else word.letters


@lru_cache(REMEMBERED)
def _latin(text: str) -> tuple[str, ...] | None:
    """The words of a text without CJK characters, quickly: what `scan` finds in it. None if it has some."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        if _CJK.search(text):
            return None
        text = anyascii(text)
    return tuple(_NO_WORD.sub(" ", text.lower().replace("'", "")).split())


def _letters(text: str) -> Iterator[tuple[str, Span, bool]]:
    """Gives each letter or sign, in lower case and Latin unless it is CJK, and what of the text it stands for."""
    if text.isascii():
        for at, letter in enumerate(text.lower()):
            yield letter, Span(at, at + 1), False
        return
    for span in _characters(text):
        for character in unicodedata.normalize("NFKC", text[span.start : span.end]):
            if _CJK.match(character):
                yield character, span, True
            else:
                for letter in anyascii(character).lower():
                    yield letter, span, False


def _characters(text: str) -> Iterator[Span]:
    """Gives each character with the marks that combine with it."""
    start = 0
    for at, character in enumerate(text):
        if at and not (unicodedata.category(character)[0] == "M" or _JOINING.match(character)):
            yield Span(start, at)
            start = at
    if text:
        yield Span(start, len(text))
