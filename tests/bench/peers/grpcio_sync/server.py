"""The catalogue on grpcio's synchronous server, as its own examples have it: ten threads, one driver."""

import os
import sys
from concurrent import futures
from typing import Any, TypeAlias
from uuid import UUID

import grpc
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from songs.v1 import song_service_pb2 as pb
from songs.v1 import song_service_pb2_grpc
from tests.bench.peers.song_documents import new_document, to_song

Document: TypeAlias = dict[str, Any]


class SongService(song_service_pb2_grpc.SongServiceServicer):
    def __init__(self, songs: Collection[Document]) -> None:
        self.songs = songs

    def GetSong(self, request: pb.GetSongRequest, context: grpc.ServicerContext) -> pb.GetSongResponse:
        try:
            UUID(request.id)
        except ValueError:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "id must be a UUID")
        document = self.songs.find_one({"_id": request.id})
        if document is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such song")
        return pb.GetSongResponse(song=to_song(document))

    def CreateSong(self, request: pb.CreateSongRequest, context: grpc.ServicerContext) -> pb.CreateSongResponse:
        if not request.song.title or not request.song.artists:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a song needs title and artists")
        document = new_document(request.song)
        try:
            self.songs.insert_one(document)
        except DuplicateKeyError:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "this song is there already")
        return pb.CreateSongResponse(song=to_song(document))

    def ListSongs(self, request: pb.ListSongsRequest, context: grpc.ServicerContext) -> pb.ListSongsResponse:
        size = min(request.page_size or 50, 1000)
        rows_before = (max(request.page_number, 1) - 1) * size
        cursor = self.songs.find({}, {"lyrics": False}).sort("title").skip(rows_before).limit(size)
        return pb.ListSongsResponse(songs=[to_song(document) for document in cursor])

    def SearchSongs(self, request: pb.SearchSongsRequest, context: grpc.ServicerContext) -> pb.SearchSongsResponse:
        score = {"score": {"$meta": "textScore"}}
        cursor = self.songs.find({"$text": {"$search": request.query}}, {"lyrics": False, **score})
        cursor.sort(score).limit(min(request.page_size or 20, 100))
        return pb.SearchSongsResponse(results=[pb.SearchResult(song=to_song(document)) for document in cursor])


def serve(address: str) -> None:
    client: MongoClient[Document] = MongoClient(os.environ["MONGODB_URI"])
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    song_service_pb2_grpc.add_SongServiceServicer_to_server(SongService(client.peers.songs), server)
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve(sys.argv[1])
