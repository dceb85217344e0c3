"""What the tests of watches share: a client that watches, and what it is told."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc

from songs.v1.song_pb2 import Song
from songs.v1.song_streams_pb2 import SongChange, WatchSongsRequest, WatchSongsResponse
from tests.conftest import Caller, Failure, read_failure

PATIENCE = 20.0
"""Seconds in which something is told, on a busy machine."""


class Told(NamedTuple):
    """What a watch was told of a change."""

    what: str
    """Such as CREATED."""
    song: Song
    token: str


class Watch:
    """A watch, read by a thread as it comes."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._told: queue.Queue[WatchSongsResponse | grpc.RpcError | None] = queue.Queue()
        self.token = ""
        """The last one."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for response in self._call:
                self._told.put(response)
        except grpc.RpcError as error:
            self._told.put(error)
        else:
            self._told.put(None)

    def any(self, within: float = PATIENCE) -> Told:
        """Waits for what comes next, be it a heartbeat."""
        told = self._told.get(timeout=within)
        assert isinstance(told, WatchSongsResponse), told
        self.token = told.resume_token
        return Told(SongChange.Name(told.change).removeprefix("SONG_CHANGE_"), told.song, told.resume_token)

    def next(self) -> Told:
        """Waits for the next change."""
        give_up = time.monotonic() + PATIENCE
        while (told := self.any(max(0.0, give_up - time.monotonic()))).what == "HEARTBEAT":
            pass
        return told

    def until(self, song_id: str) -> list[Told]:
        """Waits for a change of a song; gives all changes with it."""
        changes = [self.next()]
        while changes[-1].song.id != song_id:
            changes.append(self.next())
        return changes

    def end(self, within: float = PATIENCE) -> Failure:
        """Waits for the failure that it ends with."""
        give_up = time.monotonic() + within
        while not isinstance(told := self._told.get(timeout=max(0.0, give_up - time.monotonic())), grpc.RpcError):
            assert told, "it has ended well"
            self.token = told.resume_token
        return read_failure(told)


@contextmanager
def watching(caller: Caller, token: str = "", **selected: Any) -> Iterator[Watch]:
    """Watches songs; gives the watch once it is well."""
    request = WatchSongsRequest(resume_token=token)
    if selected:
        request.filter.CopyFrom(request.filter.__class__(**selected))
    call = caller.songs.WatchSongs(request)
    watch = Watch(call)
    try:
        if not token:
            assert watch.any().what == "HEARTBEAT"
        yield watch
    finally:
        with contextlib.suppress(grpc.RpcError):
            call.cancel()
