"""What songs are found and ordered by, derived anew: after an update of the server that derives it otherwise, and after
whatever else has made it untrue.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from pymongo import UpdateOne

from songserver.storage.mongo import Document, Mongo, database_within
from songserver.storage.song_documents import to_document, to_song
from songserver.storage.vocabulary import Vocabulary, WordCounts

DERIVED = ("keys", "words", "ends")
"""Fields of a song's document that are derived of the song, for indexes. (The identity is what it was made with.)"""
BATCH = 500
"""Songs that are looked at together."""
MOST_TIME = 24 * 3600.0
"""Seconds that all of it may take."""

log = structlog.get_logger()


class Reindexed(NamedTuple):
    """What was done."""

    songs: int
    """Songs that were looked at."""
    changed: int
    """Those of which something was not as it should be."""
    words: int
    """Words that they have."""


async def reindex_if_needed(mongo: Mongo) -> None:
    """Derives it anew if no word of any song is noted, as by a server that knew of no vocabulary."""
    if await mongo.collection("vocabulary").find_one({}, {}) or not await mongo.collection("songs").find_one({}, {}):
        return
    log.info("songs are made ready to be searched, which may take some minutes")
    await reindex(mongo)


async def reindex(mongo: Mongo) -> Reindexed:
    """Derives it anew, while others read and change songs."""
    began = time.time()
    songs = mongo.collection("songs")
    counts = WordCounts()
    looked_at = changed = 0
    last = ""
    projection = dict.fromkeys((*DERIVED, "message", "revision"), True)
    with database_within(MOST_TIME):
        while batch := await songs.find({"_id": {"$gt": last}}, projection).sort("_id").limit(BATCH).to_list():
            last = batch[-1]["_id"]
            looked_at += len(batch)
            anew = [to_document(to_song(document)) for document in batch]
            for document in anew:
                counts.add(document)
            if changes := _changes(batch, anew):
                changed += (await songs.bulk_write(changes, ordered=False)).modified_count
        await Vocabulary(mongo).renew(counts, began)
    log.info("songs are ready to be searched", songs=looked_at, changed=changed, words=len(counts.songs))
    return Reindexed(looked_at, changed, len(counts.songs))


def _changes(batch: Sequence[Document], anew: Sequence[Document]) -> list[UpdateOne]:
    """What is to be done to those that are not as they should be, unless they change meanwhile."""
    return [
        UpdateOne(
            {"_id": document["_id"], "revision": document["revision"]}, {"$set": {name: new[name] for name in DERIVED}}
        )
        for document, new in zip(batch, anew, strict=True)
        if any(document.get(name) != new[name] for name in DERIVED)
    ]
