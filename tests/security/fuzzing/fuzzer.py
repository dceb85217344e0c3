"""Makes calls that are good ones but for what is changed in them."""

import random
from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson, SerializeToJsonError

from tests.interceptors.conftest import METHODS, answers_of, raw
from tests.operations.conftest import Metadata
from tests.security.fuzzing.http2 import call_frames, exchange, framed, head
from tests.security.fuzzing.judge import Judge
from tests.security.fuzzing.mutations import message_of, mutated
from tests.security.fuzzing.target import Target

SILENCE = 0.3
"""Seconds for which an answer to broken frames is awaited."""
FAILED_IN_JSON = [b'"code":"internal"', b'"code":"unknown"']
PATHS = [
    "/",
    "/songs.v1.SongService/Nothing",
    "//",
    "/songs.v1.SongService/GetSong?x=1",
    "/grpc.health.v1.Health/Check",
]
HEADERS = [
    b"authorization", b"Authorization", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding", b"content-type",
    b"te", b"user-agent", b"x-forwarded-for", b"x-request-id", b"content-length", b"grpc-trace-bin", b"any-bin",
    b"connect-protocol-version", b"transfer-encoding", b"expect", b":path", b":method", b":authority", b"grpc-status",
    b"cookie", b"",
]  # fmt: skip
VALUES = [
    b"", b"Bearer", b"1S", b"99999999H", b"-1S", b"1n", b"0m", b"gzip", b"deflate", b"identity,gzip", b"snappy",
    b"application/grpc+json", b"application/json", b"application/grpc-web", b"text/html", b"trailers", b"AAAA", b"!!",
    b"999999999999999999999", b"chunked", b"100-continue", b"\xff\xfe", b"a" * 7000, b"\xc3\xa9", b"\x00", b"a\r\nb: c",
]  # fmt: skip


class Fuzzer:
    """Makes calls, one after the other."""

    def __init__(self, target: Target, judge: Judge) -> None:
        self._target = target
        self._judge = judge
        self._corpus: list[bytes] = [b""]
        self.kinds = [*[self.message] * 6, self.metadata, self.frames, *[self.json] * target.speaks_json]
        """Ways to make a call, each as often as it stands here; each takes what chooses."""

    def json(self, chance: random.Random) -> None:
        """JSON that is changed, as browsers and curl may send it."""
        method = chance.choice([method for method in METHODS if not method.server_streaming])
        try:
            body = MessageToJson(message_of(method.request_type, chance, self._target.known)).encode()
        except SerializeToJsonError:  # not each time is one of JSON
            body = b'{"song": {"title": "A Song", "artists": ["Somebody"]}}'
        metadata = [(b"authorization", self._target.admin[0][1].encode())]
        frames = call_frames(head(method.path, metadata, b"application/json"), mutated(body, chance))
        self._exchange("JSON", frames)

    def _body(self, chance: random.Random) -> tuple[Any, bytes]:
        method = chance.choice(METHODS)
        body = message_of(method.request_type, chance, self._target.known).SerializeToString()
        if chance.random() < 0.4:
            body = mutated(body, chance, self._corpus[-50:])
        self._corpus[chance.randrange(100) :] = [body]
        return method, body

    def message(self, chance: random.Random) -> None:
        """A message that is changed, in a call that is a good one."""
        method, body = self._body(chance)
        metadata: Metadata = chance.choice([self._target.admin, (("authorization", f"Bearer {self._target.key}"),)])
        sent = method.path.encode() + b" " + body
        try:
            answer = raw(self._target.channel, method)(body, metadata=metadata, timeout=30)
            answers = answers_of(answer, method)
            self._judge.wire("messages", b"".join(answers), sent)
            self._judge.answer("messages", 0, "", ours=True, sent=sent)
        except grpc.RpcError as raised:
            error: Any = raised
            trailers = dict(error.trailing_metadata() or ())
            ours = "song-status-code" in trailers
            self._judge.answer("messages", error.code().value[0], error.details() or "", ours=ours, sent=sent)
            if error.code() == grpc.StatusCode.UNAUTHENTICATED and metadata == self._target.admin:
                self._target.renew()
            if error.code() == grpc.StatusCode.NOT_FOUND and chance.random() < 0.1:
                self._target.replenish()

    def metadata(self, chance: random.Random) -> None:
        """Headers that are changed: those of authorization above all."""
        method, body = self._body(chance)
        token = chance.choice([self._target.admin[0][1], f"Bearer {self._target.key}"]).encode()
        metadata = [(b"authorization", mutated(token, chance) if chance.random() < 0.5 else token)]
        metadata += [
            (chance.choice(HEADERS), mutated(value, chance) if chance.random() < 0.3 else value)
            for value in chance.choices(VALUES, k=chance.choice([0, 1, 2, 5, 40]))
        ]
        path = chance.choice(PATHS) if chance.random() < 0.1 else method.path
        chance.shuffle(metadata)
        self._exchange("metadata", call_frames(head(path, metadata), framed(body)))

    def frames(self, chance: random.Random) -> None:
        """Frames that are changed, repeated, left out, or in another order."""
        method, body = self._body(chance)
        metadata = [(b"authorization", self._target.admin[0][1].encode())]
        body = framed(body) if chance.random() < 0.5 else mutated(framed(body), chance)
        frames = call_frames(head(method.path, metadata), body)
        for _ in range(chance.choice([1, 1, 2, 4])):
            at = chance.randrange(len(frames))
            match chance.randrange(4):
                case 0:
                    frames[at] = mutated(frames[at], chance, frames)
                case 1:
                    frames.insert(at, chance.choice(frames) * chance.choice([1, 100]))
                case 2:
                    # The length, the type, the flags or the stream of a frame.
                    place = chance.randrange(9)
                    frames[at] = frames[at][:place] + chance.randbytes(1) + frames[at][place + 1 :]
                case _:
                    chance.shuffle(frames)
        self._exchange("frames", frames)

    def _exchange(self, kind: str, frames: list[bytes]) -> None:
        answer = exchange(self._target.process.address, frames, SILENCE)
        sent = b"".join(frames)
        self._judge.wire(kind, answer.received, sent)
        told = {name: value for fields in answer.fields for name, value in fields.items()}
        if "grpc-status" in told:
            ours = "song-status-code" in told
            self._judge.answer(kind, int(told["grpc-status"]), told.get("grpc-message", ""), ours=ours, sent=sent)
        else:
            if any(code in answer.received for code in FAILED_IN_JSON):
                self._judge.fault(f"failed within, for {kind}", sent)
            outcome = f"HTTP {told[':status']}" if ":status" in told else "refused" if answer.ended else "silence"
            self._judge.counts[f"{kind}: {outcome}"] += 1
