"""A song as a document of MongoDB, and back.

A document has the song as the very message that clients get: so its fields are named in one place, the contract, and to
read a song costs 2 us where to build it of a document's fields took 12. Beside it stands what queries and indexes need.
"""

from hashlib import blake2b
from itertools import chain

import orjson

from songs.v1.song_pb2 import Song
from songserver.storage.mongo import Document
from songserver.text import folded
from songserver.words import MOST_TOKENS, tokens, words

SERVER_SET = frozenset({"id", "etag", "create_time", "update_time", "created_by"})
EDITABLE = frozenset(field.name for field in Song.DESCRIPTOR.fields) - SERVER_SET
"""Fields that a client may set."""
LISTED = {"message": True}
"""The projection for lists, without lyrics."""
FULL = {**LISTED, "lyrics": True}
"""The projection for a song with its lyrics."""
OPTIONAL = frozenset({"isrc", "lyrics"})
"""Fields that not every document has."""


def to_document(song: Song) -> Document:
    """Gives the document of a song that has all its fields, also those that the server sets."""
    artists = [folded(artist) for artist in song.artists]
    album = folded(song.album)
    date = song.release_date
    document: Document = {
        "_id": song.id,
        "message": _without_lyrics(song).SerializeToString(),
        "revision": int(song.etag),
        "created_by": song.created_by,
        "popularity": song.popularity,
        "identity": _identity(folded(song.title), artists, album, song.disc_number, song.track_number),
        "keys": {
            "title": sort_key(song.title),
            "artist": sort_key(*song.artists),
            "release_date": date_number(date.year, date.month, date.day),
            "artists": artists,
            "album": album,
            "genres": [folded(genre) for genre in song.genres],
        },
        **_search_fields(song),
    }
    return document | {name: value for name in OPTIONAL if (value := getattr(song, name))}


def to_song(document: Document) -> Song:
    """Gives the song of a document, or of what `LISTED` or `FULL` left of it."""
    song = Song.FromString(document["message"])
    if lyrics := document.get("lyrics"):
        song.lyrics = lyrics
    return song


def replacement(song: Song) -> Document:
    """Gives the change that puts a song, with all its fields, in the place of an earlier version of it."""
    document = to_document(song)
    change: Document = {"$set": document}
    if gone := OPTIONAL - document.keys():
        change["$unset"] = dict.fromkeys(gone, "")
    return change


def _without_lyrics(song: Song) -> Song:
    if not song.lyrics:
        return song
    rest = Song()
    rest.CopyFrom(song)
    rest.ClearField("lyrics")
    return rest


def _search_fields(song: Song) -> Document:
    """What a song is found by, in the order of its fields, and where in it title, artists and album end."""
    found: dict[str, None] = {}
    ends = []
    for texts in ([song.title], song.artists, [song.album]):
        for text in texts:
            found |= dict.fromkeys(tokens(text))
        ends.append(min(len(found), MOST_TOKENS))
    for text in (*song.genres, song.isrc):
        found |= dict.fromkeys(tokens(text))
    # The first ones matter most.
    return {"words": list(found)[:MOST_TOKENS], "ends": ends}


def sort_key(*texts: str) -> str:
    """Gives what texts are ordered by: their words, so that accents and signs do not matter; else folded."""
    return " ".join(chain.from_iterable(map(words, texts))) or folded(" ".join(texts))


def _identity(*parts: str | int | list[str]) -> bytes:
    """A digest of what makes a song the same song: folded title, artists and album, disc and track number."""
    return blake2b(orjson.dumps(parts), digest_size=16).digest()


def date_number(year: int, month: int = 0, day: int = 0) -> int:
    """Gives a date as a number that is in the order of dates: 20050400 is April 2005."""
    return year * 10_000 + month * 100 + day
