"""The catalogue as JSON over HTTP, on Flask with pymongo: `gunicorn server:create_app()`."""

import os
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from flask import Flask, abort, request
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

Document: TypeAlias = dict[str, Any]

FIELDS = (
    "title artists album album_artists track_number disc_number genres release_date duration isrc language label bpm "
    "explicit tags external_ids lyrics popularity"
).split()


def create_app() -> Flask:
    app = Flask(__name__)
    client: MongoClient[Document] = MongoClient(os.environ["MONGODB_URI"])
    songs = client.peers.songs

    @app.get("/songs/<song_id>")
    def get_song(song_id: str) -> Document:
        try:
            UUID(song_id)
        except ValueError:
            abort(400, "the id must be a UUID")
        document = songs.find_one({"_id": song_id})
        if document is None:
            abort(404, "there is no such song")
        return to_json(document)

    @app.post("/songs")
    def create_song() -> tuple[Document, int]:
        song = request.get_json()
        if not song.get("title") or not song.get("artists"):
            abort(400, "a song needs title and artists")
        now = datetime.now(UTC)
        document = {name: song[name] for name in FIELDS if name in song}
        document |= {"_id": str(uuid4()), "create_time": now, "update_time": now}
        try:
            songs.insert_one(document)
        except DuplicateKeyError:
            abort(409, "this song is there already")
        return to_json(document), 201

    @app.get("/songs")
    def list_songs() -> Document:
        size = min(request.args.get("page_size", 50, type=int), 1000)
        rows_before = (max(request.args.get("page", 1, type=int), 1) - 1) * size
        found = songs.find({}, {"lyrics": False}).sort("title").skip(rows_before).limit(size)
        return {"songs": [to_json(document) for document in found]}

    @app.get("/songs/search")
    def search_songs() -> Document:
        score = {"score": {"$meta": "textScore"}}
        found = songs.find({"$text": {"$search": request.args["q"]}}, {"lyrics": False, **score})
        return {"results": [to_json(document) for document in found.sort(score).limit(20)]}

    return app


def to_json(document: Document) -> Document:
    song = {name: document[name] for name in FIELDS if name in document}
    times = {name: document[name].isoformat() for name in ("create_time", "update_time")}
    return {"id": document["_id"], **song, **times}
