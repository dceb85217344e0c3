"""The server that is fuzzed: what it knows, what it takes, and whether it is as it was."""

import time
from collections.abc import Sequence
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
from songs.v1.user_service_pb2 import SetPrivilegeRequest, SignInRequest, SignUpRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.testing import PASSWORD
from tests.operations.conftest import Process, create_song, sign_in
from tests.security.fuzzing.judge import Judge

KNOWN: dict[str, Sequence[Any]] = {
    "": ["", "A Song", "Somebody"],
    "title": ["A Song", "Another Song"],
    "name": ["A Name"],
    "paths": ["title", "artists", "album", "tags", "display_name"],
    "isrc": ["USRC17607839", ""],
    "language": ["en", ""],
    "key": ["musicbrainz"],
    "password": [PASSWORD],
    "current_password": [PASSWORD],
    "new_password": [f"{PASSWORD}, again"],
    "privilege": [1, 2, 3],
    "year": [2020],
    "year_from": [0, 1999],
    "year_to": [0, 2020],
    "duration": [200],
    "page_size": [0, 2, 100],
    "page_number": [0, 0, 1],
}


class Target:
    """A server, and those who may call it."""

    def __init__(self, process: Process, data: Path, engine: str) -> None:
        self.process = process
        self.speaks_json = engine == "envoy"
        """Whether it takes JSON over HTTP too: the Connect protocol."""
        self._workers = process.workers()
        self.channel = grpc.insecure_channel(process.address)
        self._users = UserServiceStub(self.channel)
        self._songs = SongServiceStub(self.channel)
        # Nothing is sent with this one, so that it is there to the end.
        self._keeper = sign_in(self.channel, "admin", (data / "admin-password").read_text().strip())
        self.renew()
        keys = ApiKeyServiceStub(self.channel)
        request = CreateApiKeyRequest(name="fuzz", privilege=PRIVILEGE_ADMIN, scopes=[n for n in Scope.values() if n])
        request.expire_time.FromSeconds(int(time.time()) + 86_400)
        self.key = keys.CreateApiKey(request, metadata=self._keeper).key
        self.known = {
            **KNOWN,
            "api_key_id": [keys.CreateApiKey(request, metadata=self._keeper).api_key.id],
            "page_token": [""],
            "seconds": [0, 100, 200, int(time.time()) + 86_400],
        }
        """Values that suit, by the name of a field."""
        self.replenish()

    def renew(self) -> None:
        """Makes an admin: what was sent may have ended the session of the one that there was, or renamed it."""
        account = {"username": f"admin-{time.time_ns()}", "password": PASSWORD}
        user = self._users.SignUp(SignUpRequest(**account)).user
        request = SetPrivilegeRequest(user_id=user.id, privilege=PRIVILEGE_ADMIN)
        self._users.SetPrivilege(request, metadata=self._keeper)
        self.admin = sign_in(self.channel, **account)

    def replenish(self) -> None:
        """Makes a song and a user: what was sent may have removed those that there were."""
        number = time.time_ns()
        songs = [create_song(self.channel, self._keeper, f"Song {number}.{one}") for one in range(3)]
        account = {"username": f"somebody-{number}", "password": PASSWORD}
        user = self._users.SignUp(SignUpRequest(**account)).user
        session = self._users.SignIn(SignInRequest(**account)).session
        page = self._songs.ListSongs(ListSongsRequest(page_size=1), metadata=self._keeper)
        self.known = {
            **self.known,
            "id": [song.id for song in songs],
            "ids": [song.id for song in songs],
            "etag": ["", *(song.etag for song in songs)],
            "page_token": ["", "", page.next_page_token],
            "user_id": [user.id],
            "actor_id": [user.id, ""],
            "username": [user.username, f"other-{number}"],
            "refresh_token": [session.refresh_token],
        }

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
            self._songs.GetSong(GetSongRequest(id=song.id), metadata=self.admin, timeout=20)
        except grpc.RpcError as error:
            judge.fault(f"it does not serve afterwards: {error}")
