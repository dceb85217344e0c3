"""The collection `vocabulary`: the words that songs have, to find those that begin with what was typed, or are like it.

A document a word: `_id`, the word; `songs`, about how many songs have it; `reach`, the bits of the highest popularity
that one of them has; `begins`, its first letters; `near`, see `neighbours`; `noted`, when it was last noted.

Words are noted before their songs are stored, so that a song is found once it is there, also by another process. What
is noted may be more than there is, which does no harm: a word that no song has any more costs a look at an empty part
of the search index. `songserver reindex` makes all of it true again.
"""

import math
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from pymongo import ASCENDING, DESCENDING, UpdateOne, WriteConcern
from rapidfuzz.distance import OSA

from songserver.storage.mongo import Document, Mongo

LONGEST_BEGINNING = 3
"""First letters by which words are found, the best ones first. Words that have more of them in common are few."""
BEGINNINGS = [("begins", ASCENDING), ("reach", DESCENDING), ("songs", DESCENDING)]
NEAR_LETTERS = 5
"""First letters of which one may be wrong. How many of all letters may be is for `errors_allowed`."""
ERRORS_FROM = (3, 6)
"""Letters that a word has at the least for one of them to be forgiven, and for two."""
NEAR_CANDIDATES = 2000
"""Words that are compared with one that was typed."""
REMEMBERED = 20_000
"""Words that a process remembers to have noted, in each of two generations: about 10 MB."""
MEMORY = 3600.0
"""Seconds after which a word is noted anew, so that a word can be removed that was not noted for longer."""
RENEWED = 1000
"""Words that are renewed together."""
GROWTH = 4
"""By how much the songs of a word grow until that is noted."""
LAST_CHARACTER = "\U0010ffff"


class Known(NamedTuple):
    """A word that songs have."""

    word: str
    songs: int
    """About how many."""


class Near(NamedTuple):
    """A word that songs have, and that may have been meant."""

    word: str
    errors: int
    """How many letters are wrong."""
    songs: int
    """About how many have it."""


class _Noted:
    """What this process has noted of a word."""

    __slots__ = ("songs", "more", "reach", "time")

    def __init__(self) -> None:
        self.songs = 0
        """Songs that are noted."""
        self.more = 0
        """Songs that came since."""
        self.reach = -1
        self.time = -math.inf


class Vocabulary:
    """Knows the words of all songs."""

    def __init__(self, mongo: Mongo) -> None:
        self._words = mongo.collection("vocabulary")
        # Songs are stored after their words, and durably: so is then what stands before them in MongoDB's log.
        self._quick = self._words.with_options(write_concern=WriteConcern(w=1))
        self._young: dict[str, _Noted] = {}
        self._old: dict[str, _Noted] = {}

    async def learn(self, documents: Iterable[Document]) -> None:
        """Notes the words of songs that are about to be stored.

        Not within a transaction: words that it takes back would be remembered as noted.
        """
        due: dict[str, _Noted] = {}
        expired = time.monotonic() - MEMORY
        for document in documents:
            reach = document["popularity"].bit_length()
            for word in words_of(document):
                noted = self._young.get(word) or due.get(word) or self._old.get(word) or _Noted()
                noted.more += 1
                if reach > noted.reach or noted.more >= GROWTH * noted.songs or noted.time < expired:
                    noted.reach = max(reach, noted.reach)
                    due[word] = noted
                elif word not in self._young:
                    self._remember(word, noted)
        if due:
            await self._note(due)

    async def known(self, word: str) -> list[Known]:
        """Gives a word if songs have it."""
        return [Known(word, document["songs"]) async for document in self._words.find({"_id": word}, {"songs": True})]

    async def beginning_with(self, letters: str, most: int) -> list[Known]:
        """Gives words that begin with these letters, those first of which there are the most popular songs."""
        if len(letters) <= LONGEST_BEGINNING:
            query: Document = {"begins": letters}
        else:
            query = {"_id": {"$gte": letters, "$lt": letters + LAST_CHARACTER}}
        cursor = self._words.find(query, {"songs": True}).sort([("reach", DESCENDING), ("songs", DESCENDING)])
        return [Known(document["_id"], document["songs"]) async for document in cursor.limit(most)]

    async def near(self, letters: str, most: int) -> list[Near]:
        """Gives words that are these letters, or begin with them, but for a few wrong, missing or additional ones, the
        nearest first; none that has nothing wrong.
        """
        allowed = errors_allowed(letters)
        if not allowed:
            return []
        cursor = self._words.find({"near": {"$in": neighbours(letters)}}, {"songs": True}).limit(NEAR_CANDIDATES)
        found = []
        for document in await cursor.to_list():
            word = document["_id"]
            whole, begun = _errors(letters, word, allowed)
            if 0 < begun <= allowed:
                found.append((begun, whole, -document["songs"], word))
        return [Near(word, begun, -songs) for begun, _, songs, word in sorted(found)[:most]]

    async def renew(self, songs: Mapping[str, int], reach: Mapping[str, int], began: float) -> None:
        """Makes true what is noted.

        Args:
            songs: How many songs have each word, of all words.
            reach: The bits of the highest popularity of a song with each word.
            began: When the songs were begun to be counted, in seconds since the epoch. A word that was noted within the
                two hours before may be of a song that was not there yet, and stays.
        """
        words = iter(songs.items())
        while some := list(islice(words, RENEWED)):
            changes = [
                UpdateOne(
                    {"_id": word},
                    {
                        "$set": {"songs": count, "reach": reach[word]},
                        "$max": {"noted": began},
                        "$setOnInsert": {"begins": beginnings(word), "near": neighbours(word)},
                    },
                    upsert=True,
                )
                for word, count in some
            ]
            await self._quick.bulk_write(changes, ordered=False)
        await self._words.delete_many({"noted": {"$lt": began - 2 * MEMORY}})

    async def _note(self, due: dict[str, _Noted]) -> None:
        now = time.time()
        changes = [
            UpdateOne(
                {"_id": word},
                {
                    "$inc": {"songs": noted.more},
                    "$max": {"reach": noted.reach, "noted": now},
                    "$setOnInsert": {"begins": beginnings(word), "near": neighbours(word)},
                },
                upsert=True,
            )
            for word, noted in due.items()
        ]
        for noted in due.values():
            noted.songs, noted.more = noted.songs + noted.more, 0
        # (Two that note a new word at once are no failure: MongoDB itself tries an upsert of an _id again.)
        await self._quick.bulk_write(changes, ordered=False)
        # Only now: who has one of these words meanwhile notes it too, and relies on nothing that may fail.
        for word, noted in due.items():
            noted.time = time.monotonic()
            self._remember(word, noted)

    def _remember(self, word: str, noted: _Noted) -> None:
        if len(self._young) >= REMEMBERED:
            self._young, self._old = {}, self._young
        self._young[word] = noted


def words_of(document: Document) -> list[str]:
    """Gives the words by which a song is found. Its ISRC is none: they are as many as songs."""
    isrc = document.get("isrc", "").lower()
    words: list[str] = document["words"]
    return [word for word in words if word != isrc] if isrc else words


def beginnings(word: str) -> list[str]:
    """Gives the first letter of a word, the first two, and so on."""
    return [word[:length] for length in range(1, min(LONGEST_BEGINNING, len(word)) + 1)]


def neighbours(word: str) -> list[str]:
    """Gives the beginning of a word, and what is left of it without each of its letters.

    Two words have one of these in common if one letter is wrong in the beginning of one of them, or missing, or too
    much, or has changed its place with the next one.
    """
    beginning = word[:NEAR_LETTERS]
    if not beginning.isascii():
        return []
    return list({beginning, *(beginning[:at] + beginning[at + 1 :] for at in range(len(beginning)))})


def errors_allowed(letters: str) -> int:
    """Gives how many letters may be wrong: the fewer there are, the fewer. None of a number, or of CJK characters."""
    if not (letters.isascii() and letters.isalpha()):
        return 0
    return sum(len(letters) >= least for least in ERRORS_FROM)


def _errors(letters: str, word: str, allowed: int) -> tuple[int, int]:
    """The letters that are wrong in a word, and in the beginning of it that is the most like what was typed; more than
    `allowed` stands for any number.
    """
    lengths = range(max(1, len(letters) - allowed), min(len(word), len(letters) + allowed) + 1)
    begun = min((OSA.distance(letters, word[:length], score_cutoff=allowed) for length in lengths), default=allowed + 1)
    return OSA.distance(letters, word, score_cutoff=allowed), begun
