"""Messages in the body of an HTTP request or response: as binary or JSON, compressed or not, each after its length.

gRPC and Connect share this form; what they make of it is in `asgi.py` and `connect.py`.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from grpc import StatusCode

from songserver.errors import RequestParseError
from songserver.rpc import Status

Event: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

PREFIX = 5
"""Bytes before each message: flags, and its length in four."""
COMPRESSED = 1
"""The flag of a message that is compressed."""
WINDOW_BITS: Mapping[bytes, int] = {b"gzip": 31, b"deflate": 15}
"""The encodings that are understood beside `identity`, as zlib calls them."""
GZIP_LEVEL = 1
"""Half the time of zlib's default for messages a tenth larger."""


class Codec(NamedTuple):
    """A form of messages."""

    encode: Callable[[Message], bytes]
    to_binary: Callable[[bytes, type[Message]], bytes] | None
    """Makes the binary form of a message, which is what handlers take, unless this is it; raises RequestParseError."""


def _to_json(message: Message) -> bytes:
    return orjson.dumps(json_format.MessageToDict(message))


def _from_json(data: bytes, message_type: type[Message]) -> bytes:
    try:
        # As in the binary form, fields that a newer contract has added are passed over.
        return json_format.Parse(data, message_type(), ignore_unknown_fields=True).SerializeToString()
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise RequestParseError(f"this is no {message_type.DESCRIPTOR.full_name} in JSON: {error}") from error


BINARY = Codec(lambda message: message.SerializeToString(), None)
JSON = Codec(_to_json, _from_json)


class Refused(asyncio.CancelledError):
    """Ends a call with a status of the protocol.

    It is a cancellation to all that it passes on its way out: it is not theirs to answer.
    """

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = Status(code, message, ())


class Incoming:
    """The body of a request, as it comes, and the messages in it."""

    __slots__ = ("_ahead", "_at", "_encoding", "_limit", "_receive", "_rest", "_taking", "ended", "refused")

    def __init__(self, receive: Receive, encoding: bytes, limit: int) -> None:
        """
        Args:
            receive: ASGI's.
            encoding: How messages are compressed that are: a name of `WINDOW_BITS`, or empty.
            limit: Bytes that a message may have, compressed and not.
        """
        self._receive = receive
        self._encoding = encoding
        self._limit = limit
        self._rest = b""
        self._at = 0
        self._ahead: asyncio.Future[Event] | None = None
        self._taking = False
        self.ended = False
        """Whether all of it has come."""
        self.refused: Status | None = None
        """Why the call cannot go on. (What `message` has raised, a task that waits for another's does not see.)"""

    async def message(self) -> bytes | None:
        """Gives the next message, each of which stands after its length; None after the last.

        Raises:
            Refused: If it is too large, or breaks the protocol.
            CancelledError: If the client has gone.
        """
        prefix = await self._take(PREFIX)
        if not prefix:
            return None
        size = int.from_bytes(prefix[1:], "big")
        if size > self._limit:
            raise self.refuse(
                StatusCode.RESOURCE_EXHAUSTED, f"SERVER: Received message larger than max ({size} vs. {self._limit})"
            )
        data = await self._take(size)
        if len(prefix) + len(data) < PREFIX + size:
            raise self.refuse(StatusCode.INVALID_ARGUMENT, "the request ends in the middle of a message")
        if not prefix[0]:
            return data
        if prefix[0] != COMPRESSED:
            raise self.refuse(StatusCode.INTERNAL, f"a message has the flags {prefix[0]:#x}, which mean nothing here")
        if not self._encoding:
            raise self.refuse(StatusCode.INTERNAL, "a message is compressed, but no header says how")
        return self.unpack(data)

    async def whole(self) -> bytes:
        """Gives all of the body, which is one message.

        Raises:
            Refused: If it is too large, or cannot be unpacked.
            CancelledError: If the client has gone.
        """
        data = await self._take(self._limit + 1)
        if len(data) > self._limit:
            raise self.refuse(
                StatusCode.RESOURCE_EXHAUSTED, f"SERVER: Received message larger than max ({self._limit})"
            )
        return self.unpack(data)

    def unpack(self, data: bytes) -> bytes:
        """Unpacks a message, if messages are compressed.

        Raises:
            Refused: If there is more in it than the limit, or it cannot be unpacked.
        """
        if not self._encoding:
            return data
        unpacking = zlib.decompressobj(WINDOW_BITS[self._encoding])
        try:
            unpacked = unpacking.decompress(data, self._limit + 1)
        except zlib.error as error:
            raise self.refuse(StatusCode.INTERNAL, f"a message cannot be decompressed: {error}") from error
        if len(unpacked) > self._limit:
            raise self.refuse(StatusCode.RESOURCE_EXHAUSTED, "Decompressed message larger than max")
        if not unpacking.eof:
            raise self.refuse(StatusCode.INTERNAL, "a message cannot be decompressed: it is not whole")
        return unpacked

    def refuse(self, code: StatusCode, message: str) -> Refused:
        """Gives what to raise to end the call."""
        refused = Refused(code, message)
        self.refused = refused.status
        return refused

    def is_gone(self) -> bool:
        """Whether the client had gone when this was last asked. ASGI tells who receives: so this does, a part ahead."""
        if self._taking:
            return False  # who takes hears of it
        if self._ahead is not None and self._ahead.done():
            event = self._ahead.result()
            if event["type"] == "http.disconnect":
                return True
            if not event.get("more_body", False):
                self._rest = self._rest[self._at :] + self._part(event)
                self._at = 0
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._receive())
        return False

    async def _take(self, size: int) -> bytes:
        """Gives the next `size` bytes, or as many as there are until the end."""
        there = len(self._rest) - self._at
        if there < size and not self.ended:
            parts = [self._rest[self._at :]]
            while there < size and not self.ended:
                part = self._part(await self._event())
                parts.append(part)
                there += len(part)
            self._rest = b"".join(parts)
            self._at = 0
        taken = self._rest[self._at : self._at + size]
        self._at += len(taken)
        return taken

    async def _event(self) -> Event:
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._receive())
        self._taking = True
        try:
            # Shielded: the server that fulfils it must not find it cancelled.
            event = await asyncio.shield(self._ahead)
        finally:
            self._taking = False
        if event["type"] == "http.disconnect":
            raise asyncio.CancelledError
        return event

    def _part(self, event: Event) -> bytes:
        self._ahead = None
        self.ended = not event.get("more_body", False)
        part: bytes = event.get("body", b"")
        return part


def compress(data: bytes, encoding: bytes) -> bytes:
    """Packs a message."""
    packing = zlib.compressobj(GZIP_LEVEL, wbits=WINDOW_BITS[encoding])
    return packing.compress(data) + packing.flush()


def frame(data: bytes, encoding: bytes) -> bytes:
    """Gives a message as it stands in a body, compressed if an encoding is given."""
    if encoding:
        data = compress(data, encoding)
    return (b"\1" if encoding else b"\0") + len(data).to_bytes(4, "big") + data
