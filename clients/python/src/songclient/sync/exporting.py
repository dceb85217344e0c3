# Generated from songclient/aio by unasync.py: change it there.
"""A stream of songs out of the server, over as many calls as it takes."""

from __future__ import annotations

from collections.abc import Generator
from time import sleep

import grpc

from songclient.errors import SongClientError
from songclient.patience import Patience
from songclient.sync.connection import Connection
from songs.v1.song_streams_pb2 import ExportSongsRequest, ExportSongsResponse


def export_songs(
    connection: Connection,
    method: grpc.UnaryStreamMultiCallable[ExportSongsRequest, ExportSongsResponse],
    request: ExportSongsRequest,
    *,
    timeout: float | None,
    patience: float,
) -> Generator[ExportSongsResponse]:
    """Give some songs after the other; if that breaks, go on after the last ones. Raises SongClientError."""
    waiting = Patience(patience)
    while True:
        try:
            for response in connection.stream(method, request, timeout):
                request.resume_token = response.resume_token
                yield response
                waiting.renew()
        except SongClientError as error:
            pause = waiting.pause_after(error)
        else:
            return
        sleep(pause)
