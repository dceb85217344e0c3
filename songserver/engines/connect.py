"""The Connect protocol: our methods as JSON (or binary) over plain HTTP, for browsers and curl.

https://connectrpc.com/docs/protocol. A method with one request and one answer is a POST whose body is the message, or
a GET if it has no side effects; a stream is a POST with the messages after their lengths. Envoy has a filter for it,
`connect_grpc_bridge`, which leaves out the details of errors, GET, and whoever does not say that he speaks Connect.
"""

import asyncio
import re
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status as RpcStatus
from grpc import StatusCode

from songserver.engines.carry import Read, Response, Routes, Scope, carry
from songserver.engines.framing import (
    BINARY,
    JSON,
    WINDOW_BITS,
    Codec,
    Incoming,
    Receive,
    Refused,
    Send,
    compress,
    frame,
)
from songserver.rpc import Status

UNARY: Mapping[bytes, Codec] = {b"application/json": JSON, b"application/proto": BINARY}
STREAM: Mapping[bytes, Codec] = {b"application/connect+json": JSON, b"application/connect+proto": BINARY}
TIMEOUT = re.compile(rb"\d{1,10}")
CODE_NAMES: Mapping[StatusCode, str] = {StatusCode.CANCELLED: "canceled"}
"""The codes whose names are not gRPC's in lower case."""
HTTP_STATUS: Mapping[StatusCode, int] = {
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
    StatusCode.UNAUTHENTICATED: 401,
}
END = b"\2"
"""The flags of the last message of a stream, which says how it ended."""


async def respond(routes: Routes, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request.

    Args:
        routes: The methods by their path.
        limit: Bytes that a message may have.
        scope: ASGI's.
        receive: ASGI's.
        send: ASGI's.
    """
    fields = dict(scope["headers"])
    content_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    route = routes.get(scope["path"])
    if route is None:
        await _refuse_path(send, content_type)
        return
    method, _ = route
    streams = method.client_streaming or method.server_streaming
    query: Mapping[str, str] = {}
    if scope["method"] == "GET" and method.no_side_effects and not streams:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        form = query.get("encoding", "")
        codec = UNARY.get(content_type := f"application/{form}".encode("latin-1", "replace"))
        encoding = query.get("compression", "identity").encode("latin-1", "replace")
    elif scope["method"] != "POST":
        allowed = b"GET, POST" if method.no_side_effects and not streams else b"POST"
        await _refuse(send, 405, b"allow", allowed, "the request must be one of")
        return
    else:
        codec = (STREAM if streams else UNARY).get(content_type)
        encoding = fields.get(b"connect-content-encoding" if streams else b"content-encoding", b"identity")
    if codec is None:
        known = b", ".join([b"application/grpc", *(STREAM if streams else UNARY)])
        await _refuse(send, 415, b"accept-post", known, "the content type, or the encoding of a GET, must be one of")
        return
    packed = encoding if encoding in WINDOW_BITS else b""
    response = (StreamResponse if streams else UnaryResponse)(send, codec, content_type, packed)
    incoming = Incoming(receive, packed, limit)
    try:
        seconds = _timeout(fields)
        _check(fields, encoding)
        read: Read = incoming.message if streams else incoming.whole
        if scope["method"] == "GET":
            read = _once(_message(query, incoming))
    except Refused as refused:
        await response.end(refused.status)
        return
    await carry(route, scope, seconds, incoming, read, codec, response)


class UnaryResponse:
    """A response whose body is the message, or the error."""

    __slots__ = ("_body", "_codec", "_content_type", "_encoding", "_send")

    def __init__(self, send: Send, codec: Codec, content_type: bytes, encoding: bytes) -> None:
        """
        Args:
            send: ASGI's.
            codec: The form of its message.
            content_type: The request's.
            encoding: How the message is compressed: as that of the request is, if at all.
        """
        self._send = send
        self._codec = codec
        self._content_type = content_type
        self._encoding = encoding
        self._body = b""

    async def send(self, message: Message) -> None:
        """Takes the message."""
        self._body = self._codec.encode(message)

    async def end(self, status: Status | None) -> None:
        """Sends the message, or the error of a call that failed.

        Raises:
            OSError: If the client has gone.
        """
        if status is not None:
            headers = [(b"content-type", b"application/json"), *_metadata(status)]
            await _answer(self._send, HTTP_STATUS[status.code], headers, orjson.dumps(_error(status)))
        elif self._encoding:
            headers = [(b"content-type", self._content_type), (b"content-encoding", self._encoding)]
            await _answer(self._send, 200, headers, compress(self._body, self._encoding))
        else:
            await _answer(self._send, 200, [(b"content-type", self._content_type)], self._body)


class StreamResponse:
    """A response of any number of messages, each after its length; the last says how the call ended."""

    __slots__ = ("_codec", "_encoding", "_headers", "_send", "_started")

    def __init__(self, send: Send, codec: Codec, content_type: bytes, encoding: bytes) -> None:
        """
        Args:
            send: ASGI's.
            codec: The form of its messages.
            content_type: The request's.
            encoding: How messages are compressed: as those of the request are, if at all.
        """
        self._send = send
        self._codec = codec
        self._encoding = encoding
        self._headers = [(b"content-type", content_type)]
        if encoding:
            self._headers.append((b"connect-content-encoding", encoding))
        self._started = False

    async def send(self, message: Message) -> None:
        """Takes a message, once there is room for it on its way to the client.

        Raises:
            CancelledError: If the client has gone.
        """
        data = frame(self._codec.encode(message), self._encoding)
        try:
            await self._start()
            # Shielded: the server that fulfils it must not find it cancelled.
            await asyncio.shield(self._send({"type": "http.response.body", "body": data, "more_body": True}))
        except OSError as error:
            raise asyncio.CancelledError from error

    async def end(self, status: Status | None) -> None:
        """Ends the stream.

        Raises:
            OSError: If the client has gone.
        """
        end: dict[str, Any] = {}
        if status is not None:
            end["error"] = _error(status)
            end["metadata"] = {name.decode(): [value.decode()] for name, value in _metadata(status)}
        data = orjson.dumps(end)
        await self._start()
        await self._send({"type": "http.response.body", "body": END + len(data).to_bytes(4, "big") + data})

    async def _start(self) -> None:
        if not self._started:
            self._started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})


def _check(fields: Mapping[bytes, bytes], encoding: bytes) -> None:
    if fields.get(b"connect-protocol-version", b"1") != b"1":
        raise Refused(StatusCode.INVALID_ARGUMENT, "connect-protocol-version must be 1")
    if encoding != b"identity" and encoding not in WINDOW_BITS:
        name = encoding.decode("latin-1")
        raise Refused(StatusCode.UNIMPLEMENTED, f"the encoding {name!r} is not known: send identity, gzip or deflate")


def _timeout(fields: Mapping[bytes, bytes]) -> float | None:
    """Seconds that the request gives the call."""
    value = fields.get(b"connect-timeout-ms")
    if value is None:
        return None
    if not TIMEOUT.fullmatch(value):
        raise Refused(StatusCode.INVALID_ARGUMENT, "connect-timeout-ms must be a number of up to ten digits")
    return int(value) / 1000


def _message(query: Mapping[str, str], incoming: Incoming) -> bytes:
    """The message that a GET has in its query."""
    text = query.get("message", "")
    if query.get("base64") != "1":
        data = text.encode()
    else:
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError as error:
            raise incoming.refuse(StatusCode.INVALID_ARGUMENT, f"the message is no base64: {error}") from error
    return incoming.unpack(data)


def _once(message: bytes) -> Read:
    async def read() -> bytes:
        return message

    return read


def _error(status: Status) -> dict[str, Any]:
    """An error as Connect has it, with its details."""
    error: dict[str, Any] = {"code": CODE_NAMES.get(status.code) or status.code.name.lower(), "message": status.message}
    rich = dict(status.trailers).get("grpc-status-details-bin")
    if isinstance(rich, bytes):
        error["details"] = [_detail(detail) for detail in RpcStatus.FromString(rich).details]
    return error


def _detail(detail: AnyMessage) -> dict[str, Any]:
    return {
        "type": detail.type_url.rpartition("/")[2],
        "value": b64encode(detail.value).rstrip(b"=").decode(),
        # For people; clients read the value.
        "debug": json_format.MessageToDict(detail),
    }


def _metadata(status: Status) -> list[tuple[bytes, bytes]]:
    """The trailers of a failed call that are not gRPC's own."""
    return [
        (name.encode(), value.encode())
        for name, value in status.trailers
        if isinstance(value, str) and not name.startswith("grpc-")
    ]


async def _refuse_path(send: Send, content_type: bytes) -> None:
    """Says that there is no such method, in the form of the request if it has one."""
    for known, make in (UNARY, UnaryResponse), (STREAM, StreamResponse):
        if codec := known.get(content_type):
            response: Response = make(send, codec, content_type, b"")
            await response.end(Status(StatusCode.UNIMPLEMENTED, "Method not found!", ()))
            return
    await _answer(send, 404, [(b"content-type", b"text/plain")], b"there is no such method here\n")


async def _refuse(send: Send, http_status: int, header: bytes, known: bytes, message: str) -> None:
    """Says what the request must be like, to a client of whom nothing is known."""
    body = f"{message} {known.decode()}\n".encode()
    await _answer(send, http_status, [(b"content-type", b"text/plain"), (header, known)], body)


async def _answer(send: Send, http_status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": http_status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
