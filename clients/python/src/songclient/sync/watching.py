# Generated from songclient/aio by unasync.py: change it there.
"""The call of SongService that tells of changes."""

from collections.abc import Iterator
from time import sleep

from songclient.errors import SongClientError
from songclient.patience import FIRST_PAUSE, PATIENCE, Patience
from songclient.sync.connection import Connection
from songs.v1.song_pb2 import SongFilter
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.song_streams_pb2 import WatchSongsRequest, WatchSongsResponse


class WatchCalls:
    """Tells of changes in the catalogue."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._songs = SongServiceStub(connection.channel)

    def watch_songs(
        self, *, filter: SongFilter | None = None, resume_token: str = "", patience: float = PATIENCE
    ) -> Iterator[WatchSongsResponse]:
        """Go over what happens to songs that match, as it happens, without end.

        Each change comes at least once, those of one song in their order; in between come
        heartbeats. Each has the token with which another watch goes on after it. A watch that
        breaks, since the server stops or the network is gone, goes on by itself, unless it cannot
        for `patience` seconds. Raises ResumeTokenExpired if it was away too long: list again, then
        watch anew.
        """
        request = WatchSongsRequest(filter=filter, resume_token=resume_token)
        waiting = Patience(patience)
        while True:
            try:
                for response in self._connection.stream(self._songs.WatchSongs, request, None):
                    request.resume_token = response.resume_token
                    yield response
                    waiting.renew()
                pause = FIRST_PAUSE
            except SongClientError as error:
                # Without a token, nobody knows from where to go on.
                if not request.resume_token:
                    raise
                pause = waiting.pause_after(error)
            sleep(pause)
