# Generated from songclient/aio by unasync.py: change it there.
"""A stream of songs into the server, and of results back, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from queue import SimpleQueue as Queue
from time import sleep
from typing import Final

import grpc

from songclient.entries import Entry, to_item
from songclient.errors import SongClientError, read_error
from songclient.patience import Patience
from songclient.sync.connection import Connection
from songs.v1.song_service_pb2 import ImportOptions, ImportResult, ImportSongsRequest, ImportSongsResponse

BATCH_SONGS: Final = 500
"""How many songs one message has at the most."""
BATCH_BYTES: Final = 1024 * 1024
"""How large a message of several songs may be, well below the 4 MiB that gRPC servers take."""
MESSAGES_AHEAD: Final = 4
"""How many messages are on their way before the results of the first one must have come. (The server keeps those of the
last 8, for a client that was cut before it got them.)"""


class Import:
    """An import: over one call, or with an id over as many as it takes."""

    def __init__(
        self,
        connection: Connection,
        method: grpc.StreamStreamMultiCallable[ImportSongsRequest, ImportSongsResponse],
        songs: Iterable[Entry],
        options: ImportOptions,
        *,
        timeout: float | None,
        patience: float,
    ) -> None:
        """Send songs over calls of `method`. They are taken by whoever asks for results, a few messages ahead."""
        self._connection = connection
        self._method = method
        self._batches = _batches(songs)
        self._options = options
        self._timeout = timeout
        self._patience = Patience(patience if options.import_id else 0)
        self._unanswered: deque[ImportSongsRequest] = deque()
        self._answered = 0
        """The place of the first item in `_unanswered`, or of the one that will be there next."""
        self._given = 0
        """The place of the item whose result is given next."""

    def results(self) -> Generator[ImportResult]:
        """Give the results in the order of the songs. Raises SongClientError, and what the songs raise."""
        while True:
            try:
                with closing(self._stream()) as responses:
                    for response in responses:
                        for result in response.results:
                            # Of a stream that goes on, the first have come before.
                            if result.index >= self._given:
                                self._given = result.index + 1
                                yield result
            except SongClientError as error:
                pause = self._patience.pause_after(error)
            else:
                return
            sleep(pause)

    def _stream(self) -> Generator[ImportSongsResponse]:
        """Send over one call what is not answered yet, and give the answers."""
        # What must be renewed of the session is so before: a stream cannot begin again by itself.
        self._connection.check()
        requests: Queue[ImportSongsRequest | None] = Queue()
        call = self._method(_drain(requests), timeout=self._timeout, metadata=self._connection.metadata())
        responses = _read(call, self._connection.address)
        sent = 0
        try:
            if self._options != ImportOptions():
                first = ImportSongsRequest(options=self._options)
                requests.put_nowait(first)
                response = next(responses, None)
                if response is None:
                    raise self._too_early()
                self._go_on_at(response.next_index)
                yield response
            for request in self._unanswered:
                requests.put_nowait(request)
                sent += 1
            for request in self._batches:
                self._unanswered.append(request)
                requests.put_nowait(request)
                sent += 1
                if sent < MESSAGES_AHEAD:
                    continue
                response = next(responses, None)
                if response is None:
                    break
                self._take()
                sent -= 1
                yield response
            requests.put_nowait(None)
            for response in responses:
                self._take()
                yield response
        finally:
            # Whoever stops before the end leaves neither the call nor the reader of the queue waiting.
            call.cancel()
            requests.put_nowait(None)
        if self._unanswered:
            raise self._too_early()

    def _take(self) -> None:
        """Count a message as answered."""
        self._answered += len(self._unanswered.popleft().items)
        self._patience.renew()

    def _go_on_at(self, index: int) -> None:
        """Leave out the songs before an index: the server has them."""
        if index < self._answered:
            raise SongClientError(
                f"{self._connection.address} has forgotten the import {self._options.import_id}: begin another one",
                status=grpc.StatusCode.DATA_LOSS,
            )
        if index > self._answered:
            # It had stored more than it could say.
            self._patience.renew()
        while self._answered < index:
            if not self._unanswered:
                request = next(self._batches, None)
                if request is None:
                    return
                self._unanswered.append(request)
            request = self._unanswered[0]
            known = min(index - self._answered, len(request.items))
            del request.items[:known]
            self._answered += known
            if not request.items:
                self._unanswered.popleft()

    def _too_early(self) -> SongClientError:
        return SongClientError(
            f"{self._connection.address} ended the import after {self._answered} songs: send the rest again",
            status=grpc.StatusCode.OK,
        )


def _batches(
    songs: Iterable[Entry],
) -> Iterator[ImportSongsRequest]:
    request, size = ImportSongsRequest(), 0
    for entry in songs:
        item = to_item(entry)
        size += item.ByteSize()
        if len(request.items) == BATCH_SONGS or (request.items and size > BATCH_BYTES):
            yield request
            request, size = ImportSongsRequest(), item.ByteSize()
        request.items.append(item)
    if request.items:
        yield request


def _drain(requests: Queue[ImportSongsRequest | None]) -> Iterator[ImportSongsRequest]:
    while (request := requests.get()) is not None:
        yield request


def _read(call: Iterable[ImportSongsResponse], address: str) -> Iterator[ImportSongsResponse]:
    try:
        for response in call:
            yield response
    except grpc.RpcError as error:
        raise read_error(error, address) from error
