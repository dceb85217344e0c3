"""Which user names are told apart, and which would deceive: Unicode's security mechanisms (UTS #39)."""

import unicodedata
from importlib.resources import files

from songserver.text import folded

ALONE_OR_WITH_LATIN = (
    {"LATIN", "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"},
    {"LATIN", "CJK", "IDEOGRAPHIC", "BOPOMOFO"},
    {"LATIN", "CJK", "IDEOGRAPHIC", "HANGUL"},
)
"""Scripts that stand together in Japanese, Chinese and Korean names ("Highly Restrictive" in UTS #39, section 5.2)."""
SCRIPTLESS = {"MODIFIER"}
"""How the names of letters begin that go with any script."""


class Skeletons:
    """Gives names the form in which they are the same if they look the same."""

    def __init__(self) -> None:
        """Reads Unicode's list of characters that look like others."""
        text = (files("songserver.auth") / "confusables.txt").read_text("utf-8")
        self._like = str.maketrans(dict(line.split() for line in text.partition("\n\n")[2].splitlines()))

    def skeleton(self, username: str) -> str:
        """Gives a name's skeleton (UTS #39, section 4), for comparing only."""
        decomposed = unicodedata.normalize("NFD", folded(username))
        return unicodedata.normalize("NFD", decomposed.translate(self._like))


def mixes_scripts(username: str) -> bool:
    """Whether letters of scripts stand together in a name that do not in any language, or digits of two kinds.

    Each may look like another's: a Cyrillic "a" makes another `admin`.
    """
    if username.isascii():
        return False
    # The name of a character begins with its script: CYRILLIC SMALL LETTER A.
    scripts = {unicodedata.name(c, "").partition(" ")[0] for c in username if unicodedata.category(c)[0] in "LM"}
    scripts -= SCRIPTLESS
    zeros = {ord(c) - int(c) for c in username if unicodedata.category(c) == "Nd"}
    return len(zeros) > 1 or (len(scripts) > 1 and not any(scripts <= together for together in ALONE_OR_WITH_LATIN))
