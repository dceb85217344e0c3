"""`grpc.aio` alone: GetSong answers with one fixed song. What no server on `grpc.aio` can be faster than."""

import asyncio
import sys

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from songs.v1 import song_service_pb2 as pb
from songs.v1 import song_service_pb2_grpc
from songs.v1.song_pb2 import Song
from tests.bench.peers.grpcio_aio.server import Context

SONG = Song(
    id="01890000-0000-7000-8000-000000000000",
    title="Golden Anchor",
    artists=["Golden Anchor Lisbon"],
    album="Lantern of Lisbon 123",
    album_artists=["Golden Anchor Lisbon"],
    track_number=1,
    disc_number=1,
    genres=["Jazz"],
    language="en",
    release_date=Date(year=1999),
    duration=Duration(seconds=200),
    tags=["invented"],
    popularity=50,
    etag="1",
    create_time=Timestamp(seconds=1_700_000_000),
    update_time=Timestamp(seconds=1_700_000_000),
    created_by="01890000-0000-7000-8000-000000000000",
)


class SongService(song_service_pb2_grpc.SongServiceServicer):
    async def GetSong(self, request: pb.GetSongRequest, context: Context) -> pb.GetSongResponse:
        return pb.GetSongResponse(song=SONG)


async def serve(address: str) -> None:
    server = grpc.aio.server()
    song_service_pb2_grpc.add_SongServiceServicer_to_server(SongService(), server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
