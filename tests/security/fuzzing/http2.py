"""gRPC as bytes on a connection: calls as frames that can be changed one by one, and what comes back."""

import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hpack import Decoder, Encoder, HPACKError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

Fields = Sequence[tuple[bytes, bytes]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GRPC = b"application/grpc"
STREAM = 1
HEAD = 9
"""Bytes before the body of each frame."""


@dataclass
class Answer:
    """What a server sent."""

    received: bytes = b""
    fields: list[dict[str, str]] = field(default_factory=list)
    """Its blocks of headers and trailers."""
    ended: bool = False
    """Whether it has ended the stream or the connection."""


def framed(message: bytes) -> bytes:
    """Gives a message after its length, as gRPC has it in a body."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def head(path: str, metadata: Fields, content_type: bytes = GRPC) -> list[tuple[bytes, bytes]]:
    """Gives the headers of a call."""
    return [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", content_type),
        *metadata,
    ]


def call_frames(headers: Fields, body: bytes) -> list[bytes]:
    """Gives the frames of a call."""
    block = Encoder().encode(headers)
    frames = [
        SettingsFrame(0),
        HeadersFrame(STREAM, block, flags=["END_HEADERS"]),
        DataFrame(STREAM, body, flags=["END_STREAM"]),
    ]
    return [frame.serialize() for frame in frames]


def exchange(address: str, frames: Iterable[bytes], wait: float) -> Answer:
    """Sends frames on a connection of their own; gives what came back until the stream was ended, or silent.

    Args:
        address: Of the server, host:port.
        frames: What is sent after the preface.
        wait: Seconds of silence after which nothing more is awaited.
    """
    host, _, port = address.rpartition(":")
    answer = Answer()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.settimeout(wait)
        with suppress(OSError):
            connection.sendall(PREFACE + b"".join(frames))
            decoder = Decoder()
            at = 0
            while not answer.ended:
                received = connection.recv(65536)
                answer.received += received
                answer.ended = not received
                at = _read(answer, at, decoder)
    return answer


def _read(answer: Answer, at: int, decoder: Decoder) -> int:
    """Reads the frames that are there whole; gives where the next one begins."""
    while len(answer.received) >= at + HEAD:
        try:
            frame, length = Frame.parse_frame_header(memoryview(answer.received[at : at + HEAD]))
            if len(answer.received) < at + HEAD + length:
                break
            frame.parse_body(memoryview(answer.received[at + HEAD : at + HEAD + length]))
        except HyperframeError:  # it is HTTP/1 that comes back
            answer.ended = True
            break
        at += HEAD + length
        if isinstance(frame, HeadersFrame):
            with suppress(HPACKError):
                answer.fields.append(
                    {_text(name): _text(value) for name, value in decoder.decode(frame.data, raw=True)}
                )
        answer.ended |= "END_STREAM" in frame.flags or isinstance(frame, GoAwayFrame | RstStreamFrame)
    return at


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
