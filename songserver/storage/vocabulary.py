"""The collection `vocabulary`: the words that songs have, to find those that begin with what was typed, or are like it.

A document a word: `_id`, the word; `songs`, about how many songs have it; `reach`, about the bits of the highest
popularity that one of them has; `begins`, its first letters; `near`, see `neighbours`; `noted`, when it was last noted.

A new word is noted before its song is stored, so that the song is found once it is there, also by another process. How
many songs have a word, and how popular they are, is told seconds later, for many songs together: each time costs
MongoDB as much as to store a song. What is noted may be more than there is, which does no harm: a word that no song
has any more costs a look at an empty part of the search index. `songserver reindex` makes all of it true again.
"""

import asyncio
import contextvars
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import structlog
from pymongo import ASCENDING, DESCENDING, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, PyMongoError
from rapidfuzz.distance import OSA

from songserver.storage.mongo import DUPLICATE_KEY, Document, Mongo

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
"""Words that a process knows to be noted, in each of two generations: about 10 MB."""
MEMORY = 3600.0
"""Seconds after which a word is noted anew, so that a word can be removed that was not noted for longer."""
TOGETHER = 1000
"""Words that are asked for, or noted, together."""
GROWTH = 8
"""By how much the songs of a word grow until that is told."""
STEP = 2
"""Bits by which its reach grows until that is."""
PAUSE = 3.0
"""Seconds until it is."""
LAST_CHARACTER = "\U0010ffff"

log = structlog.get_logger()


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


class WordCounts:
    """Counts the words of songs."""

    def __init__(self) -> None:
        self.songs: Counter[str] = Counter()
        """How many songs have each word."""
        self.reach: dict[str, int] = {}
        """The bits of the highest popularity of a song with each word."""

    def add(self, document: Document) -> None:
        """Counts those of a song. Its ISRC is none: they are as many as songs."""
        words: list[str] = document["words"]
        if isrc := document.get("isrc", "").lower():
            words = [word for word in words if word != isrc]
        self.songs.update(words)
        bits = document["popularity"].bit_length()
        reach = self.reach
        for word in words:
            if bits > reach.get(word, -1):
                reach[word] = bits


class _Noted:
    """What is noted of a word, as this process knows."""

    __slots__ = ("more", "reach", "songs", "time")

    def __init__(self, songs: int, reach: int, time: float) -> None:
        self.songs = songs
        """Songs that are noted."""
        self.reach = reach
        self.time = time
        """When it was noted, in seconds since the epoch."""
        self.more = 0
        """Songs that came since."""


class Vocabulary:
    """Knows the words of all songs."""

    def __init__(self, mongo: Mongo) -> None:
        self._words = mongo.collection("vocabulary")
        # Songs are stored after their words, and durably: so is then what stands before them in MongoDB's log.
        self._quick = self._words.with_options(write_concern=WriteConcern(w=1))
        self._young: dict[str, _Noted] = {}
        self._old: dict[str, _Noted] = {}
        self._due: dict[str, _Noted] = {}
        self._telling: asyncio.Task[None] | None = None
        # What the context of a caller has, its deadline for MongoDB above all, is not for what is told later.
        self._context = contextvars.copy_context()

    async def learn(self, documents: Iterable[Document]) -> None:
        """Notes the words of songs that are about to be stored.

        Not within a transaction: words that it takes back would be remembered as noted.
        """
        counts = WordCounts()
        for document in documents:
            counts.add(document)
        expired = time.time() - MEMORY
        known = {word: noted for word in counts.songs if (noted := self._noted(word)) and noted.time > expired}
        if unknown := [word for word in counts.songs if word not in known]:
            known |= await self._find(unknown, expired)
            if new := [word for word in unknown if word not in known]:
                await self._note(new, counts)
        for word, noted in known.items():
            reach = counts.reach[word]
            noted.more += counts.songs[word]
            if reach >= noted.reach + STEP or noted.more >= GROWTH * noted.songs:
                noted.reach = max(reach, noted.reach)
                self._due[word] = noted
        if self._due and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_soon(), context=self._context)

    async def settle(self) -> None:
        """Tells at once what is to be told."""
        if self._telling:
            self._telling.cancel()
        await self._tell()

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

    async def renew(self, counts: WordCounts, began: float) -> None:
        """Makes true what is noted.

        Args:
            counts: The words of all songs.
            began: When the songs were begun to be counted, in seconds since the epoch. A word that was noted within the
                two hours before may be of a song that was not there yet, and stays.
        """
        for words in _batches(counts.songs):
            changes = [
                UpdateOne(
                    {"_id": word},
                    {
                        "$set": {"songs": counts.songs[word], "reach": counts.reach[word]},
                        "$max": {"noted": began},
                        "$setOnInsert": {"begins": beginnings(word), "near": neighbours(word)},
                    },
                    upsert=True,
                )
                for word in words
            ]
            await self._quick.bulk_write(changes, ordered=False)
        await self._words.delete_many({"noted": {"$lt": began - 2 * MEMORY}})

    def _noted(self, word: str) -> _Noted | None:
        """What this process knows of a word."""
        if (noted := self._young.get(word)) is None and (noted := self._old.get(word)):
            self._remember(word, noted)
        return noted

    async def _find(self, words: Sequence[str], expired: float) -> dict[str, _Noted]:
        """Gives those words that are noted; anew where that was too long ago."""
        now = time.time()
        found: dict[str, _Noted] = {}
        for some in _batches(words):
            there = self._words.find({"_id": {"$in": some}}, {"songs": True, "reach": True, "noted": True})
            documents = await there.to_list()
            stale = {document["_id"] for document in documents if document["noted"] <= expired}
            if stale:
                renewed = await self._quick.update_many({"_id": {"$in": list(stale)}}, {"$max": {"noted": now}})
                if renewed.matched_count < len(stale):
                    # One has just been removed.
                    continue
            for document in documents:
                word = document["_id"]
                since = now if word in stale else document["noted"]
                found[word] = _Noted(document["songs"], document["reach"], since)
                self._remember(word, found[word])
        return found

    async def _note(self, words: Sequence[str], counts: WordCounts) -> None:
        """Notes words that are new."""
        now = time.time()
        for some in _batches(words):
            documents: list[Document] = [
                {
                    "_id": word,
                    "songs": counts.songs[word],
                    "reach": counts.reach[word],
                    "noted": now,
                    "begins": beginnings(word),
                    "near": neighbours(word),
                }
                for word in some
            ]
            try:
                await self._quick.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                # What another process has noted meanwhile is noted.
                if any(failure["code"] != DUPLICATE_KEY for failure in error.details["writeErrors"]):
                    raise
            # Only now: who has one of these words meanwhile notes it too, and relies on nothing that may fail.
            for word in some:
                self._remember(word, _Noted(counts.songs[word], counts.reach[word], now))

    async def _tell_soon(self) -> None:
        await asyncio.sleep(PAUSE)
        await self._tell()

    async def _tell(self) -> None:
        """Tells how many songs have words, and how popular they are."""
        due, self._due = self._due, {}
        try:
            for some in _batches(due):
                changes = []
                for word in some:
                    noted = due[word]
                    changes.append(
                        UpdateOne({"_id": word}, {"$inc": {"songs": noted.more}, "$max": {"reach": noted.reach}})
                    )
                    noted.songs, noted.more = noted.songs + noted.more, 0
                await self._quick.bulk_write(changes, ordered=False)
        except PyMongoError as error:
            # They are about right as they are.
            log.warning("how many songs have some words could not be noted", words=len(due), error=str(error)[:500])

    def _remember(self, word: str, noted: _Noted) -> None:
        if len(self._young) >= REMEMBERED:
            self._young, self._old = {}, self._young
        self._young[word] = noted


def _batches(words: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(words)
    while some := list(islice(rest, TOGETHER)):
        yield some


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
