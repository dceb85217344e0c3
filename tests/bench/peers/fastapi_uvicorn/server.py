"""The catalogue as JSON over HTTP, on FastAPI with pymongo's asynchronous client: `uvicorn server:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

Document: TypeAlias = dict[str, Any]


class ReleaseDate(BaseModel):
    year: int = Field(ge=1000, le=2100)
    month: int = Field(default=0, ge=0, le=12)
    day: int = Field(default=0, ge=0, le=31)


class NewSong(BaseModel):
    title: str = Field(min_length=1, max_length=512)
    artists: list[str] = Field(min_length=1, max_length=50)
    album: str = ""
    album_artists: list[str] = []
    track_number: int = 0
    disc_number: int = 0
    genres: list[str] = []
    release_date: ReleaseDate | None = None
    duration: float | None = None
    isrc: str = ""
    language: str = ""
    label: str = ""
    bpm: float = 0
    explicit: bool | None = None
    tags: list[str] = []
    external_ids: dict[str, str] = {}
    lyrics: str = ""
    popularity: int = 0


class Song(NewSong):
    id: str = Field(validation_alias="_id")
    create_time: datetime
    update_time: datetime
    created_by: str = ""


class Songs(BaseModel):
    songs: list[Song]


class SearchResults(BaseModel):
    results: list[Song]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncMongoClient[Document](os.environ["MONGODB_URI"]) as client:
        app.state.songs = client.peers.songs
        yield


async def songs_of(request: Request) -> AsyncCollection[Document]:
    songs: AsyncCollection[Document] = request.app.state.songs
    return songs


Collection = Annotated[AsyncCollection[Document], Depends(songs_of)]
app = FastAPI(lifespan=lifespan)


@app.get("/songs/search")
async def search_songs(songs: Collection, q: str) -> SearchResults:
    score = {"score": {"$meta": "textScore"}}
    found = songs.find({"$text": {"$search": q}}, {"lyrics": False, **score}).sort(score).limit(20)
    return SearchResults(results=[Song(**document) async for document in found])


@app.get("/songs/{song_id}")
async def get_song(songs: Collection, song_id: UUID) -> Song:
    document = await songs.find_one({"_id": str(song_id)})
    if document is None:
        raise HTTPException(404, "there is no such song")
    return Song(**document)


@app.post("/songs", status_code=201)
async def create_song(songs: Collection, song: NewSong) -> Song:
    now = datetime.now(UTC)
    document = song.model_dump(exclude_unset=True)
    document |= {"_id": str(uuid4()), "create_time": now, "update_time": now}
    try:
        await songs.insert_one(document)
    except DuplicateKeyError as error:
        raise HTTPException(409, "this song is there already") from error
    return Song(**document)


@app.get("/songs")
async def list_songs(
    songs: Collection,
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Songs:
    found = songs.find({}, {"lyrics": False}).sort("title").skip((page - 1) * page_size).limit(page_size)
    return Songs(songs=[Song(**document) async for document in found])
