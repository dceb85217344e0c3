"""The forms of text: canonical (as stored and shown), folded (as compared), words (as searched)."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

from anyascii import anyascii

LONGEST_PREFIX = 3
"""Letters of a word that are search tokens of their own, since very many words begin with them. (Each token costs
MongoDB 5 us when a song is stored: with up to 3 letters a song has 25 of them, with up to 8 letters 37.)"""
LONGEST_WORD = 64
"""Letters of a word that count."""
MOST_WORDS = 48
"""Different words of a song that can be searched for, so that no song has more than 48 * 4 tokens."""

MOST_MARKS = 30
"""Combining marks in a row, as in the Stream-Safe Text Format (UAX #15): no language has near as many."""
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""The characters with Unicode's property White_Space."""

_NO_WORD = re.compile(r"[^a-z0-9]+")
_ISRC_FILL = re.compile(r"[\s-]+")


def canonical(text: str) -> str:
    """Gives the text in Unicode normalization form C, without white space at either end.

    A text with more than `MOST_MARKS` combining marks in a row stays as it is, for its rules to refuse: putting n of
    them into their order takes n * n steps.
    """
    return _normalized(text, "NFC")


def canonical_name(text: str) -> str:
    """Gives the text in Unicode normalization form KC, otherwise as `canonical` does."""
    return _normalized(text, "NFKC")


def _normalized(text: str, form: Literal["NFC", "NFKC"]) -> str:
    if text.isascii():
        return text.strip(WHITE_SPACE)
    return text if _is_hostile(text) else unicodedata.normalize(form, text).strip(WHITE_SPACE)


def _is_hostile(text: str) -> bool:
    if len(text) <= MOST_MARKS:
        return False
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MOST_MARKS:
            return True
    return False


def canonical_isrc(text: str) -> str:
    """Gives an ISRC in upper case, without hyphens and white space."""
    # Outside of ASCII there are letters whose upper case is two of ASCII's.
    return _ISRC_FILL.sub("", text).upper() if text.isascii() else text


def folded(text: str) -> str:
    """Gives the form in which names are compared: NFKC, case-folded, runs of white space made one blank.

    NFKC comes twice, since case folding can leave what is not normalized (Unicode, section 3.13, D147).
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.casefold().split())


def words(text: str) -> list[str]:
    """Gives the words of a text in Latin letters and digits, lower case, without accents, in their order.

    Apostrophes and accents within a word do not part it: "Don't" and "dont" are the same word.
    """
    if not text.isascii():
        text = anyascii(unicodedata.normalize("NFKC", text))
    return _NO_WORD.sub(" ", text.lower().replace("'", "")).split()


def search_tokens(words_of_song: Iterable[str]) -> list[str]:
    """Gives the tokens under which a song with these words is found: each word, and its first letters.

    The first words matter most: after `MOST_WORDS` different ones the rest is left out.
    """
    distinct = list(dict.fromkeys(words_of_song))[:MOST_WORDS]
    beginnings = {word[:length] for word in distinct for length in range(1, LONGEST_PREFIX + 1)}
    return list(beginnings.union(word[:LONGEST_WORD] for word in distinct))
