"""The collection `songs`, searched as its words are typed.

Each song has its words, and their first letters, as tokens in an index that ends in popularity: a word of a query is
one of them, or begins a few of them. Only the most popular of the songs that match are read and ranked.
"""

import asyncio
from typing import Any, NamedTuple

from bson import MaxKey, MinKey

from songs.v1.song_pb2 import Song
from songserver.paging import fitting
from songserver.storage.mongo import Document, Mongo
from songserver.storage.song_documents import LISTED, to_song
from songserver.text import LONGEST_PREFIX, LONGEST_WORD, words

MOST_WORDS = 16
"""Words of a query that count."""
CANDIDATES = 200
"""The most popular songs that match, which are ranked."""
TITLE_CANDIDATES = 50
"""Songs whose title begins with the query, which are ranked however unpopular they are."""
COUNTED_WORDS = 3
"""Words that are counted: the longest ones."""
COUNTED = 2000
"""Songs of a word that are counted, to find the rarest of some short words."""
SEARCH_INDEX = [("words", 1), ("popularity", -1)]
LAST_CHARACTER = "\U0010ffff"

_RANKED = {"popularity": True, "keys.title": True, "keys.artist": True}


class SongSearch:
    """Finds songs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._songs = mongo.collection("songs")

    async def search(self, query: str, size: int, *, skip: int = 0) -> tuple[list[Song], int]:
        """Finds the songs that have, or begin to have, every word of the query.

        Args:
            query: What was typed.
            size: How many songs at the most.
            skip: How many of the best to leave out.

        Returns:
            The songs without lyrics, the best first, and how many to leave out to go on; 0 if there are no more.
        """
        # Who types on cancels the search before; to cancel an operation of MongoDB costs its connection.
        searching = asyncio.create_task(self._search(query, size, skip))
        # Nobody may be there any more to hear how it failed.
        searching.add_done_callback(lambda search: search.cancelled() or search.exception())
        return await asyncio.shield(searching)

    async def _search(self, query: str, size: int, skip: int) -> tuple[list[Song], int]:
        async with self._mongo.room():
            return await self._ranked(query, size, skip)

    async def _ranked(self, query: str, size: int, skip: int) -> tuple[list[Song], int]:
        asked = list(dict.fromkeys(words(query)))[:MOST_WORDS]
        if not asked:
            return [], 0
        phrase = " ".join(words(query))
        by_title = self._songs.find({"keys.title": _begins_with(phrase)}, _RANKED).sort("keys.title", 1)
        found = await asyncio.gather(self._most_popular(asked), by_title.limit(TITLE_CANDIDATES).to_list())
        candidates = {row["_id"]: row for rows in found for row in rows}
        ranked = sorted(candidates.values(), key=lambda row: _rank(row, asked, phrase))
        found_songs = await self._read([row["_id"] for row in ranked[skip : skip + size]])
        songs = fitting(found_songs)
        seen = skip + (size if len(songs) == len(found_songs) else len(songs))
        return songs, seen if len(ranked) > seen else 0

    async def _most_popular(self, asked: list[str]) -> list[Document]:
        """Gives the most popular songs that have all these words.

        The index is read between the bounds of the rarest word, and songs without the others are passed over. Left to
        itself, MongoDB would try each word for a while, which takes longer than the search.
        """
        rarest = await self._rarest(asked)
        others = [_has(word) for word in asked if word != rarest]
        cursor = self._songs.find({"$and": others} if others else {}, _RANKED).hint(SEARCH_INDEX).limit(CANDIDATES)
        beginning = rarest[:LONGEST_WORD]
        cursor.min(_bound(beginning, MaxKey()))
        if len(rarest) <= LONGEST_PREFIX:
            # The songs of one token stand in the index with the most popular first.
            return await cursor.max(_bound(beginning, MinKey())).to_list()
        return await cursor.max(_bound(beginning + LAST_CHARACTER, MaxKey())).sort("popularity", -1).to_list()

    async def _rarest(self, asked: list[str]) -> str:
        """The word that the fewest songs have; among words of more than a few letters the longest is a good guess."""
        longest = sorted(asked, key=len, reverse=True)[:COUNTED_WORDS]
        if len(longest[0]) > LONGEST_PREFIX or len(asked) == 1:
            return longest[0]
        counts = await asyncio.gather(
            *(self._songs.database.command("count", "songs", query=_has(word), limit=COUNTED) for word in longest)
        )
        return min(zip(counts, longest, strict=True), key=lambda counted: counted[0]["n"])[1]

    async def _read(self, song_ids: list[str]) -> list[Song]:
        documents = await self._songs.find({"_id": {"$in": song_ids}}, LISTED).to_list()
        songs = {document["_id"]: to_song(document) for document in documents}
        return [songs[song_id] for song_id in song_ids if song_id in songs]


class Rank(NamedTuple):
    """How well a song matches: the least comes first."""

    place: int
    """0: the title is the query; 1: it begins with it; 2: it has all words; 3: title and artists have them; 4: else."""
    partial: int
    """Words of the query that are only the beginning of a word of title or artists."""
    unpopularity: int
    title: str
    song_id: str


def _rank(row: Document, asked: list[str], phrase: str) -> Rank:
    title = row["keys"]["title"]
    title_words = title.split()
    name_words = title_words + row["keys"]["artist"].split()
    places = (title == phrase, title.startswith(phrase), _all_in(asked, title_words), _all_in(asked, name_words), True)
    return Rank(
        place=places.index(True),
        partial=sum(word not in name_words for word in asked),
        unpopularity=-row["popularity"],
        title=title,
        song_id=row["_id"],
    )


def _all_in(asked: list[str], present: list[str]) -> bool:
    return all(any(word.startswith(beginning) for word in present) for beginning in asked)


def _bound(word: str, popularity: MinKey | MaxKey) -> Any:
    """A bound of the search index; pymongo's types have no MinKey and MaxKey there."""
    return [("words", word), ("popularity", popularity)]


def _has(word: str) -> Document:
    # The first letters are tokens; among the tokens with more of them there are whole words only, and few begin alike.
    return {"words": word if len(word) <= LONGEST_PREFIX else {"$elemMatch": _begins_with(word[:LONGEST_WORD])}}


def _begins_with(text: str) -> Document:
    return {"$gte": text, "$lt": text + LAST_CHARACTER}
