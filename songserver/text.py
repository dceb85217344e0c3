"""The forms of text: canonical (as stored and shown), folded (as compared). Its words: `words.py`."""

import re
import unicodedata
from typing import Literal

MOST_MARKS = 30
"""Combining marks in a row, as in the Stream-Safe Text Format (UAX #15): no language has near as many."""
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""The characters with Unicode's property White_Space."""

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
