# Generated from songclient/aio by unasync.py: change it there.
"""A stream of songs into the server, and of results back, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import SimpleQueue as Queue
from typing import Final

import grpc

from songclient.entries import Entry, to_item
from songclient.errors import SongClientError, read_error
from songs.v1.song_service_pb2 import ImportResult, ImportSongsRequest, ImportSongsResponse

BATCH_SONGS: Final = 500
"""How many songs one message has at the most."""
BATCH_BYTES: Final = 1024 * 1024
"""How large a message of several songs may be, well below the 4 MiB that gRPC servers take."""
MESSAGES_AHEAD: Final = 4
"""How many messages are on their way before the results of the first one must have come."""


def import_songs(
    method: grpc.StreamStreamMultiCallable[ImportSongsRequest, ImportSongsResponse],
    songs: Iterable[Entry],
    *,
    address: str,
    metadata: tuple[tuple[str, str], ...],
    timeout: float | None,
) -> Iterator[ImportResult]:
    """Send songs over one call of `method`, and give their results in the same order.

    The songs are taken by whoever asks for the results, and only a few messages ahead of them.
    Raises SongClientError, and what `songs` raises.
    """
    requests: Queue[ImportSongsRequest | None] = Queue()
    call = method(_drain(requests), timeout=timeout, metadata=metadata)
    responses = _read(call, address)
    sent = answered = 0
    try:
        for request in _batches(songs):
            requests.put_nowait(request)
            sent += 1
            if sent - answered < MESSAGES_AHEAD:
                continue
            response = next(responses, None)
            if response is None:
                break
            answered += 1
            for result in response.results:
                yield result
        requests.put_nowait(None)
        for response in responses:
            answered += 1
            for result in response.results:
                yield result
    finally:
        # Whoever stops before the end leaves neither the call nor the reader of the queue waiting.
        call.cancel()
        requests.put_nowait(None)
    if answered < sent:
        raise SongClientError(
            f"{address} ended the import after {answered} of {sent} messages: send the rest again",
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
