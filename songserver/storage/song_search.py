"""The collection `songs`, searched as its words are typed.

The search index has each word of a song, and after it the song's popularity. What was typed becomes a bounded number
of words that songs have (`vocabulary.py`), and the index gives the songs of these words, the most popular first. The
rarest word of a query leads; songs without the others are passed over. What is found is ranked (`matching.py`).
"""

import asyncio
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pymongo import ASCENDING, DESCENDING

from songs.v1.song_pb2 import Song, SongFilter
from songserver.matching import Query, Rank, Row, Term, rank
from songserver.paging import fitting
from songserver.storage.mongo import Document, Mongo
from songserver.storage.song_documents import LISTED, to_song
from songserver.storage.song_lists import to_query
from songserver.storage.vocabulary import LAST_CHARACTER, Vocabulary

CANDIDATES = 200
"""The most popular songs that match, which are ranked. Where words are rarely together, fewer: see `_candidates`."""
FEWEST_CANDIDATES = 20
"""So many are ranked wherever so many match: a page."""
LOOKED_AT = 1500
"""Songs of the leading word that are looked at to find more than these."""
TITLE_CANDIDATES = 50
"""Songs whose title begins with the query, which are ranked however unpopular they are."""
TITLES_LOOKED_AT = 1000
"""Of which so many are looked at where a filter leaves some out."""
BEGINNING_WORDS = 100
"""Words for which the beginning of a word stands."""
NEAR_WORDS = 20
"""Words for which one with wrong letters stands."""
FEW = 3
"""Letters are forgiven where fewer songs are found."""
FILTERED = 2000
"""Up to so many songs of a filter are looked at rather than those of a word."""
SEARCH_INDEX = "search"

_ISRC_BEGINNING = re.compile(r"[a-z]{2}[a-z0-9]{3}[0-9]{1,7}")
"""ISRCs are found from their sixth character on: the first five are those of very many, and of words too."""
_RANKED = {"words": True, "ends": True, "popularity": True, "keys.title": True}


class Among(NamedTuple):
    """Which songs are searched."""

    condition: Document
    is_few: bool
    """Whether these are few, by one of the conditions."""
    share: float
    """About which part of all songs they are."""
    there: int
    """About how many songs there are in all."""


class Expansion(NamedTuple):
    """What a word of a query stands for."""

    term: Term
    words: Sequence[str]
    """Words that songs have."""
    songs: int
    """About how many songs have one of them."""
    is_all: bool
    """Whether songs have no other words for it."""


class Ranked(NamedTuple):
    """What was found."""

    query: Query
    """What was typed and, if letters were forgiven, what that was taken for."""
    ranks: list[Rank]
    """Those of the songs, the best first."""
    forgiving: bool
    """Whether letters were forgiven."""


class Found(NamedTuple):
    """One page of what was found."""

    query: Query
    songs: list[Song]
    """Without lyrics, the best first."""
    next_position: list[int | str]
    """Where the search goes on, for `after`; empty at its end."""
    forgiving: bool


class SongSearch:
    """Finds songs."""

    def __init__(self, mongo: Mongo, vocabulary: Vocabulary) -> None:
        self._mongo = mongo
        self._songs = mongo.collection("songs")
        self._vocabulary = vocabulary

    async def page(
        self, text: str, selected: SongFilter, size: int, *, after: Sequence[int | str] | None = None
    ) -> Found:
        """Finds songs that have, or begin to have, every word of what was typed.

        Args:
            text: What was typed.
            selected: Among which songs.
            size: How many at the most.
            after: Where to go on.
        """
        found = await self.ranked(text, selected)
        following = [song for song in found.ranks if song > Rank._make(after)] if after else found.ranks
        there = await self.read([song.song_id for song in following[:size]])
        songs = fitting(there)
        if len(songs) < len(there):
            shown = next(place for place, song in enumerate(following) if song.song_id == songs[-1].id)
        else:
            shown = size - 1
        goes_on = shown + 1 < len(following)
        return Found(found.query, songs, list(following[shown]) if goes_on else [], found.forgiving)

    async def ranked(self, text: str, selected: SongFilter, *, forgiving: bool = True) -> Ranked:
        """Finds and ranks songs.

        Args:
            text: What was typed.
            selected: Among which songs.
            forgiving: Whether letters are forgiven where little is found.
        """
        # Who types on cancels the search before; to cancel an operation of MongoDB costs its connection.
        searching = asyncio.create_task(self._in_room(Query.of(text), to_query(selected), forgiving=forgiving))
        # Nobody may be there any more to hear how it failed.
        searching.add_done_callback(lambda search: search.cancelled() or search.exception())
        return await asyncio.shield(searching)

    async def read(self, song_ids: Sequence[str]) -> list[Song]:
        """Gives those of these songs that are there, in their order, without lyrics."""
        documents = await self._songs.find({"_id": {"$in": song_ids}}, LISTED).to_list()
        songs = {document["_id"]: to_song(document) for document in documents}
        return [songs[song_id] for song_id in song_ids if song_id in songs]

    async def _in_room(self, query: Query, condition: Document, *, forgiving: bool) -> Ranked:
        async with self._mongo.room():
            among, words = await asyncio.gather(self._among(condition), asyncio.gather(*map(self._expand, query.terms)))
            ranks = await self._find(query, words, among)
            if forgiving and len(ranks) < FEW:
                # A word that songs have is meant as it was typed, unless nothing has it together with the others.
                rare = [word.term for word in words if word.songs < FEW]
                for suspects in (rare,) if ranks else (rare, query.terms):
                    forgiven = await asyncio.gather(*(self._forgiven(word, suspects) for word in words))
                    meant = query._replace(terms=[word.term for word in forgiven])
                    more = await self._find(meant, forgiven, among) if forgiven != words else []
                    if len(more) > len(ranks):
                        return Ranked(meant, more, forgiving=True)
            return Ranked(query, ranks, forgiving=False)

    async def _forgiven(self, word: Expansion, suspects: Sequence[Term]) -> Expansion:
        """Gives a word of the query with those that it may have been meant to be, if it is one of the suspects."""
        near = await self._vocabulary.near(word.term.letters, NEAR_WORDS) if word.term in suspects else []
        if not near:
            return word
        return word._replace(
            term=word.term._replace(near={each.word: each.errors for each in near}),
            words=[*word.words, *(each.word for each in near)],
            songs=word.songs + sum(each.songs for each in near),
        )

    async def _find(self, query: Query, words: Sequence[Expansion], among: Among) -> list[Rank]:
        """Finds and ranks what has all words of a query."""
        if not words:
            return []
        if among.is_few:
            few = self._songs.find(among.condition | _having(query.terms), _RANKED).batch_size(FILTERED)
            return _ranks(await few.to_list(), query)
        leader = min(words, key=lambda word: word.songs)
        others = [word for word in words if word is not leader]
        most = _candidates(leader, others, among)
        led = {"words": {"$in": leader.words}} | among.condition | _having([word.term for word in others])
        cursor = self._songs.find(led, _RANKED).hint(SEARCH_INDEX).sort("popularity", DESCENDING)
        found = await cursor.limit(most).batch_size(most).to_list()
        if len(found) == most or not leader.is_all:
            # There may be others.
            found += await self._by_title(query.phrase, among.condition)
        return _ranks(found, query)

    async def _among(self, condition: Document) -> Among:
        """Tells about how many songs are searched, by the indexes of each of the conditions."""
        there = await self._songs.estimated_document_count()
        most = max(FILTERED + 1, there // 50)
        alone = [{field: value} for field, value in condition.items()]
        counts = await asyncio.gather(*(self._songs.count_documents(each, limit=most) for each in alone))
        shares = (count / max(1, there) for count in counts)
        return Among(condition, any(count <= FILTERED for count in counts), math.prod(shares), there)

    async def _expand(self, term: Term) -> Expansion:
        """Gives the words that songs have for a word of the query."""
        if term.is_whole:
            known = await self._vocabulary.known(term.letters)
        else:
            known = await self._vocabulary.beginning_with(term.letters, BEGINNING_WORDS)
        words = {term.letters, *(word for word, _ in known)}
        songs = sum(songs for _, songs in known)
        if _ISRC_BEGINNING.fullmatch(term.letters):
            isrcs = await self._isrcs(term.letters.upper())
            words.update(isrcs)
            songs += len(isrcs)
        return Expansion(term, list(words), songs, is_all=len(known) < BEGINNING_WORDS)

    async def _isrcs(self, beginning: str) -> list[str]:
        """Gives the ISRCs of songs that begin so, as they stand in the search index."""
        cursor = self._songs.find({"isrc": _begins_with(beginning)}, {"isrc": True}).sort("isrc", ASCENDING)
        return [document["isrc"].lower() async for document in cursor.limit(BEGINNING_WORDS)]

    async def _by_title(self, phrase: str, condition: Document) -> list[Document]:
        """Gives songs whose title begins with the query."""
        begun = {"keys.title": _begins_with(phrase)}
        if not condition:
            return (
                await self._songs.find(begun, _RANKED).sort("keys.title", ASCENDING).limit(TITLE_CANDIDATES).to_list()
            )
        looked_at: list[Document] = [
            {"$match": begun},
            {"$sort": {"keys.title": ASCENDING, "_id": ASCENDING}},
            {"$limit": TITLES_LOOKED_AT},
        ]
        stages = [*looked_at, {"$match": condition}, {"$limit": TITLE_CANDIDATES}, {"$project": _RANKED}]
        return await (await self._songs.aggregate(stages)).to_list()


def _candidates(leader: Expansion, others: Sequence[Expansion], among: Among) -> int:
    """Gives how many songs are ranked: the fewer, the more of the leading word's songs it takes to find each."""
    if leader.songs <= LOOKED_AT:
        return CANDIDATES
    share = among.share * math.prod(min(1, word.songs / among.there) for word in others)
    return max(FEWEST_CANDIDATES, min(CANDIDATES, round(LOOKED_AT * share)))


def _ranks(documents: Iterable[Document], query: Query) -> list[Rank]:
    """Ranks songs, each once, the best first."""
    rows = {document["_id"]: document for document in documents}
    ranks = (rank(_row(document), query) for document in rows.values())
    return sorted(each for each in ranks if each)


def _row(document: Document) -> Row:
    return Row(document["_id"], document["keys"]["title"], document["words"], document["ends"], document["popularity"])


def _having(terms: Sequence[Term]) -> Document:
    """Selects songs that have all these words, but not by the search index: else MongoDB would try each word as the one
    that leads for a while, which takes longer than the search. (It takes no negation by an index.)
    """
    return {"$nor": [{"$nor": [_has(term)]} for term in terms]} if terms else {}


def _has(term: Term) -> Document:
    has: Document = {"words": term.letters if term.is_whole else {"$elemMatch": _begins_with(term.letters)}}
    return {"$or": [has, {"words": {"$in": list(term.near)}}]} if term.near else has


def _begins_with(text: str) -> Document:
    return {"$gte": text, "$lt": text + LAST_CHARACTER}
