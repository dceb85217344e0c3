"""What is searched for: words that the catalogue has, drawn by a fixed seed from its first songs."""

import random
import string
from collections import Counter
from collections.abc import Callable, Sequence

from songserver.words import tokens
from tests.bench.scale.measures import CALLS, WARM_UP
from tests.bench.scale.synthetic import SyntheticSong

SEED = 7
ASKED = CALLS + WARM_UP
COMMON = 100
"""The words that the most songs have."""
MIDDLE = 2000
"""With these, the words that are neither common nor rare."""
RARE = 10
"""Songs of a hundred thousand that a rare word is in, at the most."""
LONG_ENOUGH = 5
"""Letters of a word that is misspelt."""
BEGINNINGS = range(1, 7)
"""Letters of a word that is only begun."""


def searches(songs: Sequence[SyntheticSong]) -> dict[str, list[str]]:
    """Gives what is searched for, by its kind: as many of each as are asked, and no misspelt ones."""
    draw = random.Random(SEED)
    words = [_words(song) for song in songs]
    common, middle, rare = _by_frequency(words)

    def several(known: Sequence[str], number: int) -> Callable[[], str]:
        return lambda: " ".join(draw.sample(known, number))

    def of_a_song(number: int) -> Callable[[], str]:
        return lambda: " ".join(_some(draw, draw.choice(words), number))

    def begun(known: Sequence[str], letters: int) -> Callable[[], str]:
        long_enough = [word for word in known if len(word) > letters]
        return lambda: draw.choice(long_enough)[:letters]

    kinds: dict[str, Callable[[], str]] = {"1 word, common": several(common, 1), "1 word, middle": several(middle, 1)}
    kinds["1 word, rare"] = several(rare, 1)
    for number in (2, 3):
        kinds[f"{number} words, common"] = several(common, number)
        kinds[f"{number} words, middle"] = several(middle, number)
        kinds[f"{number} words of a song"] = of_a_song(number)
    for letters in BEGINNINGS:
        kinds[f"{letters} letter{'s' * (letters > 1)}, common"] = begun(common + middle, letters)
        kinds[f"{letters} letter{'s' * (letters > 1)}, rare"] = begun(rare, letters)
    return {kind: [make() for _ in range(ASKED)] for kind, make in kinds.items()}


def misspelt(songs: Sequence[SyntheticSong]) -> dict[str, list[str]]:
    """Gives misspelt words, alone and with another word of the same song."""
    draw = random.Random(SEED)
    alone: list[str] = []
    with_another: list[str] = []
    while len(alone) < ASKED:
        words = _words(draw.choice(songs))
        long_enough = [word for word in words if len(word) >= LONG_ENOUGH and word.isalpha()]
        if long_enough and len(words) > 1:
            word = draw.choice(long_enough)
            wrong = misspell(word, draw)
            alone.append(wrong)
            with_another.append(f"{wrong} {draw.choice([other for other in words if other != word])}")
    return {"misspelt": alone, "misspelt, with another word": with_another}


def misspell(word: str, draw: random.Random) -> str:
    """Gives a word with one letter wrong, missing or too much, or two in the other order; never the first."""
    at = draw.randrange(1, len(word) - 1)
    letter = draw.choice([letter for letter in string.ascii_lowercase if letter != word[at]])
    wrong = [
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ]
    return draw.choice([each for each in wrong if each != word])


def _words(song: SyntheticSong) -> list[str]:
    """The different words of a song's title, artist and album."""
    return list(dict.fromkeys(word for text in (song.title, song.artist, song.album) for word in tokens(text)))


def _some(draw: random.Random, words: Sequence[str], number: int) -> Sequence[str]:
    return draw.sample(words, min(number, len(words)))


def _by_frequency(words: Sequence[Sequence[str]]) -> tuple[list[str], list[str], list[str]]:
    """The words that are common, neither, and rare."""
    counts = Counter(word for some in words for word in some if word.isalpha() and word.isascii())
    ranked = [word for word, _ in counts.most_common()]
    rare_count = max(2, RARE * len(words) // 100_000)
    rare = [word for word, count in counts.items() if count <= rare_count]
    return ranked[:COMMON], ranked[COMMON : COMMON + MIDDLE], rare
