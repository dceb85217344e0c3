"""A stream of songs into the server, and of results back, in bounded memory."""

from __future__ import annotations

from asyncio import Queue
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Final

import grpc

from songclient.entries import Entry, aio_each, to_item
from songclient.errors import SongClientError, read_error
from songclient.server_status import ServerStatus
from songs.v1.song_service_pb2 import ImportResult, ImportSongsRequest, ImportSongsResponse

BATCH_SONGS: Final = 500
"""How many songs one message has at the most."""
BATCH_BYTES: Final = 1024 * 1024
"""How large a message of several songs may be, well below the 4 MiB that gRPC servers take."""
MESSAGES_AHEAD: Final = 4
"""How many messages are on their way before the results of the first one must have come."""


async def import_songs(
    method: grpc.aio.StreamStreamMultiCallable[ImportSongsRequest, ImportSongsResponse],
    songs: Iterable[Entry] | AsyncIterable[Entry],
    *,
    address: str,
    metadata: tuple[tuple[str, str], ...],
    timeout: float | None,
) -> AsyncIterator[ImportResult]:
    """Send songs over one call of `method`, and give their results in the same order.

    The songs are taken by whoever asks for the results, and only a few messages ahead of them.
    Raises SongClientError, and what `songs` raises.
    """
    requests: Queue[ImportSongsRequest | None] = Queue()
    call = method(_drain(requests), timeout=timeout, metadata=metadata)
    status = ServerStatus(call)
    responses = _read(call, status, address)
    sent = answered = 0
    try:
        async for request in _batches(songs):
            requests.put_nowait(request)
            sent += 1
            if sent - answered < MESSAGES_AHEAD:
                continue
            response = await anext(responses, None)
            if response is None:
                break
            answered += 1
            for result in response.results:
                yield result
        requests.put_nowait(None)
        async for response in responses:
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


async def _batches(
    songs: Iterable[Entry] | AsyncIterable[Entry],
) -> AsyncIterator[ImportSongsRequest]:
    request, size = ImportSongsRequest(), 0
    async for entry in aio_each(songs):
        item = to_item(entry)
        size += item.ByteSize()
        if len(request.items) == BATCH_SONGS or (request.items and size > BATCH_BYTES):
            yield request
            request, size = ImportSongsRequest(), item.ByteSize()
        request.items.append(item)
    if request.items:
        yield request


async def _drain(requests: Queue[ImportSongsRequest | None]) -> AsyncIterator[ImportSongsRequest]:
    while (request := await requests.get()) is not None:
        yield request


async def _read(
    call: grpc.aio.StreamStreamCall[ImportSongsRequest, ImportSongsResponse], status: ServerStatus, address: str
) -> AsyncIterator[ImportSongsResponse]:
    try:
        async for response in call:
            yield response
    except grpc.RpcError as error:
        raise read_error(await status.instead_of(error), address) from error
