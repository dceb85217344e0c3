"""A song as a document of MongoDB, and back.

A document has the fields of `Song` under their own names, as far as they are set, with the plain values of BSON; beside
them what the indexes need: `identity`, `request`, `keys` and `words`.
"""

from hashlib import blake2b

import orjson
from google.type.date_pb2 import Date

from songs.v1.song_pb2 import Song
from songserver.storage.mongo import Document, to_timestamp
from songserver.text import folded, search_tokens, words

SCALARS = ("title", "album", "track_number", "disc_number", "isrc", "language", "label", "bpm", "lyrics")
LISTS = ("artists", "album_artists", "genres", "tags")
COPIED = (*SCALARS, *LISTS, "popularity", "explicit", "external_ids", "created_by")
"""Fields that are taken from a document as they stand."""
EDITABLE = frozenset({*SCALARS, *LISTS, "popularity", "explicit", "external_ids", "release_date", "duration"})
"""Fields that a client may set."""
FULL = {"keys": False, "words": False}
"""The projection that leaves the song with its lyrics."""
LISTED = {**FULL, "lyrics": False}
"""The projection for lists."""


def to_document(song: Song) -> Document:
    """Gives the part of a document that follows from what a client may set in a song."""
    document: Document = {name: value for name in SCALARS if (value := getattr(song, name))}
    document |= {name: list(values) for name in LISTS if (values := getattr(song, name))}
    document["popularity"] = song.popularity
    if song.HasField("explicit"):
        document["explicit"] = song.explicit
    if song.external_ids:
        document["external_ids"] = dict(song.external_ids)
    if song.HasField("release_date"):
        date = song.release_date
        document["release_date"] = date_number(date.year, date.month, date.day)
    if song.HasField("duration"):
        document["duration"] = song.duration.ToNanoseconds()
    artists = [folded(artist) for artist in song.artists]
    album = folded(song.album)
    title_words = words(song.title)
    artist_words = [word for artist in song.artists for word in words(artist)]
    document["identity"] = _identity(folded(song.title), artists, album, song.disc_number, song.track_number)
    document["keys"] = {
        "title": sort_key(song.title, title_words),
        "artist": sort_key(" ".join(song.artists), artist_words),
        "release_date": document.get("release_date", 0),
        "artists": artists,
        "album": album,
        "genres": [folded(genre) for genre in song.genres],
    }
    document["words"] = search_tokens([*title_words, *artist_words, *words(song.album)])
    return document


def to_song(document: Document) -> Song:
    """Gives the song of a document, or of what a projection left of it."""
    song = Song(
        id=document["_id"],
        etag=str(document["revision"]),
        create_time=to_timestamp(document["created"]),
        update_time=to_timestamp(document["updated"]),
        **{name: document[name] for name in COPIED if name in document},
    )
    if "release_date" in document:
        song.release_date.CopyFrom(_date(document["release_date"]))
    if "duration" in document:
        song.duration.FromNanoseconds(document["duration"])
    return song


def sort_key(text: str, words_of_text: list[str]) -> str:
    """Gives what a text is ordered by: its words, so that accents and signs do not matter; folded if it has none."""
    return " ".join(words_of_text) or folded(text)


def _identity(*parts: str | int | list[str]) -> bytes:
    """A digest of what makes a song the same song: folded title, artists and album, disc and track number."""
    return blake2b(orjson.dumps(parts), digest_size=16).digest()


def date_number(year: int, month: int = 0, day: int = 0) -> int:
    """Gives a date as a number that is in the order of dates: 20050400 is April 2005."""
    return year * 10_000 + month * 100 + day


def _date(number: int) -> Date:
    return Date(year=number // 10_000, month=number // 100 % 100, day=number % 100)
