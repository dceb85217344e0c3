"""The catalogue on `grpc.aio`, as grpcio's own examples have it: a servicer whose methods await the driver."""

import asyncio
import os
import sys
from typing import Any, TypeAlias
from uuid import UUID

import grpc
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from songs.v1 import song_service_pb2 as pb
from songs.v1 import song_service_pb2_grpc
from tests.bench.peers.song_documents import new_document, to_song

Document: TypeAlias = dict[str, Any]
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class SongService(song_service_pb2_grpc.SongServiceServicer):
    def __init__(self, songs: AsyncCollection[Document]) -> None:
        self.songs = songs

    async def GetSong(self, request: pb.GetSongRequest, context: Context) -> pb.GetSongResponse:
        try:
            UUID(request.id)
        except ValueError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "id must be a UUID")
        document = await self.songs.find_one({"_id": request.id})
        if document is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such song")
        return pb.GetSongResponse(song=to_song(document))

    async def CreateSong(self, request: pb.CreateSongRequest, context: Context) -> pb.CreateSongResponse:
        if not request.song.title or not request.song.artists:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a song needs title and artists")
        document = new_document(request.song)
        try:
            await self.songs.insert_one(document)
        except DuplicateKeyError:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "this song is there already")
        return pb.CreateSongResponse(song=to_song(document))

    async def ListSongs(self, request: pb.ListSongsRequest, context: Context) -> pb.ListSongsResponse:
        size = min(request.page_size or 50, 1000)
        rows_before = (max(request.page_number, 1) - 1) * size
        cursor = self.songs.find({}, {"lyrics": False}).sort("title").skip(rows_before).limit(size)
        return pb.ListSongsResponse(songs=[to_song(document) async for document in cursor])

    async def SearchSongs(self, request: pb.SearchSongsRequest, context: Context) -> pb.SearchSongsResponse:
        score = {"score": {"$meta": "textScore"}}
        cursor = self.songs.find({"$text": {"$search": request.query}}, {"lyrics": False, **score})
        cursor.sort(score).limit(min(request.page_size or 20, 100))
        return pb.SearchSongsResponse(results=[pb.SearchResult(song=to_song(document)) async for document in cursor])


async def serve(address: str) -> None:
    client: AsyncMongoClient[Document] = AsyncMongoClient(os.environ["MONGODB_URI"])
    server = grpc.aio.server()
    song_service_pb2_grpc.add_SongServiceServicer_to_server(SongService(client.peers.songs), server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
