"""A song of the peers as a document of MongoDB, and back, for those that speak protobuf in Python.

The documents of all peers have the fields of `Song` under their own names, with a time as a date, a duration in
seconds, and a release date as year, month and day.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from google.type.date_pb2 import Date

from songs.v1.song_pb2 import Song

FIELDS = (
    "title artists album album_artists track_number disc_number genres isrc language label bpm explicit tags "
    "external_ids lyrics popularity created_by"
).split()


def to_song(document: dict[str, Any]) -> Song:
    song = Song(id=document["_id"], **{name: document[name] for name in FIELDS if name in document})
    if "release_date" in document:
        song.release_date.CopyFrom(Date(**document["release_date"]))
    if "duration" in document:
        song.duration.FromMilliseconds(round(document["duration"] * 1000))
    song.create_time.FromDatetime(document["create_time"])
    song.update_time.FromDatetime(document["update_time"])
    return song


def new_document(song: Song) -> dict[str, Any]:
    now = datetime.now(UTC)
    document: dict[str, Any] = {"_id": str(uuid4()), "create_time": now, "update_time": now}
    for field, value in song.ListFields():
        if field.name == "release_date":
            document["release_date"] = {"year": value.year, "month": value.month, "day": value.day}
        elif field.name == "duration":
            document["duration"] = value.ToMilliseconds() / 1000
        elif field.name == "external_ids":
            document["external_ids"] = dict(value)
        elif field.name in FIELDS:
            document[field.name] = list(value) if field.is_repeated else value
    return document
