"""`make fuzz`: mutated messages, metadata and HTTP/2 frames against a real server; fails if one does what it must not.

    python -m tests.security.fuzzing [--seconds 60] [--seed N] [--engine grpcio|envoy]

What must not be: `judge.py`. What is sent follows from the seed, which is printed (but for what servers choose, such as
ids); the input that brought a fault about is printed with it.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, Scope
from songs.v1.api_key_service_pb2 import CreateApiKeyRequest
from songs.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from songs.v1.song_service_pb2 import GetSongRequest, ListSongsRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_service_pb2 import GetMeRequest, SignUpRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from tests.interceptors.conftest import METHODS, raw
from tests.operations.conftest import Metadata, Process, create_song, serving, sign_in
from tests.security.fuzzing.http2 import call_frames, exchange, framed, head
from tests.security.fuzzing.judge import Judge
from tests.security.fuzzing.mutations import filled, mutated

PASSWORD = "correct horse battery staple"
THREADS = 3
SILENCE = 0.25
"""Seconds for which an answer to broken frames is awaited."""
WARM = 0.3
"""Part of the time after which a server's caches are full."""
PATHS = [
    "/",
    "/songs.v1.SongService/Nothing",
    "//",
    "/songs.v1.SongService/GetSong?x=1",
    "/grpc.health.v1.Health/Check",
]
HEADERS = [
    b"authorization", b"Authorization", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding", b"content-type",
    b"te", b"user-agent", b"x-forwarded-for", b"x-request-id", b"content-length", b"grpc-trace-bin", b"any-bin", b"cookie",
    b"connect-protocol-version", b"transfer-encoding", b"expect", b":path", b":method", b":authority", b"grpc-status", b"",
]  # fmt: skip
VALUES = [
    b"", b"Bearer", b"1S", b"99999999H", b"-1S", b"1n", b"0m", b"gzip", b"deflate", b"identity,gzip", b"snappy",
    b"application/grpc+json", b"application/json", b"application/grpc-web", b"text/html", b"trailers", b"AAAA", b"!!",
    b"999999999999999999999", b"chunked", b"100-continue", b"\xff\xfe", b"a" * 7000, b"\xc3\xa9", b"\x00", b"a\r\nb: c",
]  # fmt: skip


class Target:
    """A server, and those who may call it."""

    def __init__(self, process: Process, data: Path) -> None:
        self.process = process
        self.channel = grpc.insecure_channel(process.address)
        self._admin_password = (data / "admin-password").read_text().strip()
        self.admin = sign_in(self.channel, "admin", self._admin_password)
        UserServiceStub(self.channel).SignUp(SignUpRequest(username="somebody", password=PASSWORD))
        self.songs = [create_song(self.channel, self.admin, f"Song {number}") for number in range(3)]
        request = CreateApiKeyRequest(name="fuzz", privilege=PRIVILEGE_ADMIN, scopes=[n for n in Scope.values() if n])
        request.expire_time.FromSeconds(int(time.time()) + 86_400)
        self.key = ApiKeyServiceStub(self.channel).CreateApiKey(request, metadata=self.admin).key
        me = UserServiceStub(self.channel).GetMe(GetMeRequest(), metadata=self.admin).user
        page = SongServiceStub(self.channel).ListSongs(ListSongsRequest(page_size=1), metadata=self.admin)
        self.known = [self.songs[0].id, self.songs[1].etag, page.next_page_token, me.id, "somebody", "A Song", "2020"]

    def renew(self) -> None:
        """Signs in anew: what was sent may have ended the session."""
        self.admin = sign_in(self.channel, "admin", self._admin_password)

    def memory(self) -> int:
        """Bytes that its processes take, without MongoDB."""
        main = psutil.Process(self.process.pid)
        family = [main, *main.children(recursive=True)]
        return sum(process.memory_info().rss for process in family if "mongod" not in process.name())

    def check(self, judge: Judge) -> None:
        """Judges whether it serves as before."""
        try:
            health = health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
            if health.status != health_pb2.HealthCheckResponse.SERVING:
                judge.fault("it is not healthy afterwards")
            self.renew()
            song = create_song(self.channel, self.admin, f"Afterwards {time.time()}")
            SongServiceStub(self.channel).GetSong(GetSongRequest(id=song.id), metadata=self.admin, timeout=20)
        except grpc.RpcError as error:
            judge.fault(f"it does not serve afterwards: {error}")


class Fuzzer:
    """Makes calls of three kinds."""

    def __init__(self, target: Target, judge: Judge) -> None:
        self._target = target
        self._judge = judge
        self._corpus: list[bytes] = [b""]
        self.kinds: list[Callable[[random.Random], None]] = [self.message, self.message, self.metadata, self.frames]

    def _body(self, chance: random.Random) -> tuple[Any, bytes]:
        method = chance.choice(METHODS)
        body = filled(method.request_type, chance, self._target.known).SerializeToString()
        if chance.random() < 0.8:
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
            answers = [answer] if isinstance(answer, bytes) else list(answer)
            self._judge.wire("messages", b"".join(answers), sent)
            self._judge.answer("messages", 0, "", ours=True, sent=sent)
        except grpc.RpcError as raised:
            error: Any = raised
            trailers = dict(error.trailing_metadata() or ())
            ours = "song-status-code" in trailers
            self._judge.answer("messages", error.code().value[0], error.details() or "", ours=ours, sent=sent)
            if error.code() == grpc.StatusCode.UNAUTHENTICATED and metadata == self._target.admin:
                self._target.renew()

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
            outcome = f"HTTP {told[':status']}" if ":status" in told else "refused" if answer.ended else "silence"
            self._judge.counts[f"{kind}: {outcome}"] += 1


def fuzz(target: Target, judge: Judge, seed: int, seconds: float) -> None:
    """Sends for so many seconds."""
    fuzzer = Fuzzer(target, judge)
    begin = time.monotonic()

    def send(thread: int) -> None:
        number = 0
        while time.monotonic() - begin < seconds:
            chance = random.Random(f"{seed}/{thread}/{number}")
            number += 1
            try:
                chance.choice(fuzzer.kinds)(chance)
            except Exception as error:  # noqa: BLE001
                judge.fault(f"the fuzzer or the server broke: {error!r}")
                if not psutil.pid_exists(target.process.pid):
                    return

    threads = [threading.Thread(target=send, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds * WARM)
    before = target.memory()
    for thread in threads:
        thread.join()
    judge.memory(before, target.memory())


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutated calls against a song server.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--engine", choices=["grpcio", "envoy"], default="grpcio")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:g} s, {options.engine}", flush=True)
    judge = Judge()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        arguments = [f"--data-directory={folder}/data", "--log-level=warning", "--sign-in-failures-by-peer=1000"]
        arguments += ["--sign-up-privilege=editor", "--mongodb-timeout=10", f"--engine={options.engine}"]
        process = stack.enter_context(serving(*arguments, environment={"MONGODB_URI": ""}))
        target = Target(process, Path(folder) / "data")
        fuzz(target, judge, options.seed, options.seconds)
        target.check(judge)
        target.channel.close()
        if process.stop() != 0:
            judge.fault("it did not end well")
        judge.log(process.log)
        Path("/tmp/a3-fuzz.log").write_text("\n".join(process.log))
    for told, count in sorted(judge.counts.items()):
        print(f"{count:8} {told}")
    for fault in judge.faults[:20]:
        print(f"FAULT {fault}")
    print(f"{len(judge.faults)} faults; again with --seed {options.seed}")
    return 1 if judge.faults else 0


if __name__ == "__main__":
    sys.exit(main())
