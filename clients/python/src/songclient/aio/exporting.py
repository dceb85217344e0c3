"""A stream of songs out of the server, over as many calls as it takes."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncGenerator

import grpc

from songclient.aio.connection import AsyncConnection
from songclient.errors import SongClientError
from songclient.patience import Patience
from songs.v1.song_streams_pb2 import ExportSongsRequest, ExportSongsResponse


async def export_songs(
    connection: AsyncConnection,
    method: grpc.aio.UnaryStreamMultiCallable[ExportSongsRequest, ExportSongsResponse],
    request: ExportSongsRequest,
    *,
    timeout: float | None,
    patience: float,
) -> AsyncGenerator[ExportSongsResponse]:
    """Give some songs after the other; if that breaks, go on after the last ones. Raises SongClientError."""
    waiting = Patience(patience)
    while True:
        try:
            async for response in connection.stream(method, request, timeout):
                request.resume_token = response.resume_token
                yield response
                waiting.renew()
        except SongClientError as error:
            pause = waiting.pause_after(error)
        else:
            return
        await sleep(pause)
