"""The server that is fuzzed: what it knows, what it takes, and whether it is as it was."""

import time
from pathlib import Path

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
from songserver.testing import PASSWORD
from tests.operations.conftest import Process, create_song, sign_in
from tests.security.fuzzing.judge import Judge


class Target:
    """A server, and those who may call it."""

    def __init__(self, process: Process, data: Path, engine: str) -> None:
        self.process = process
        self.speaks_json = engine == "envoy"
        """Whether it takes JSON over HTTP too: the Connect protocol."""
        self._workers = process.workers()
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
        """Judges whether it serves as before, by the same workers."""
        if self.process.workers() != self._workers:
            judge.fault("a worker died")
        try:
            health = health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
            if health.status != health_pb2.HealthCheckResponse.SERVING:
                judge.fault("it is not healthy afterwards")
            self.renew()
            song = create_song(self.channel, self.admin, f"Afterwards {time.time()}")
            SongServiceStub(self.channel).GetSong(GetSongRequest(id=song.id), metadata=self.admin, timeout=20)
        except grpc.RpcError as error:
            judge.fault(f"it does not serve afterwards: {error}")
