"""Run at the start of a server (see `contestants.variant`): the engine alone, GetSong answers with one fixed song."""

from typing import Any
from unittest.mock import patch

from songs.v1.song_service_pb2 import GetSongResponse
from songserver import app
from songserver.rpc import Call, Handler, Method
from tests.bench.peers.grpcio_aio.no_op import SONG


def no_op(*_: Any) -> list[tuple[Method, Handler]]:
    """Stands for the wiring, and gives one method without interceptors, servicer or store."""
    (get_song,) = [method for method in app.METHODS if method.name == "GetSong"]

    async def answer(call: Call) -> None:
        await call.receive()
        await call.send(GetSongResponse(song=SONG))

    return [(Method.of(get_song), answer)]


patch.object(app, "wire", no_op).start()
