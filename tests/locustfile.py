"""Users of a song server as locust plays them: they browse, search and now and then add a song.

    locust -f tests/locustfile.py --host 127.0.0.1:50051

The server's accounts are those of `songserver populate`; their password is in SONGSERVER_POPULATE_PASSWORD.
`make load` does all of it. Each RPC is a row of locust's table, timed around the call of the client library.
"""

import itertools
import os
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# grpc blocks in C where gevent cannot see it, unless it is told before any channel is opened.
from grpc.experimental import gevent as grpc_gevent

grpc_gevent.init_gevent()

from locust import User, between, task  # noqa: E402

from songclient import Song, SongClient  # noqa: E402

WORDS = ["amber", "broken", "crystal", "distant", "electric", "horizon", "journey", "lantern", "ocean", "window"]

numbers = itertools.count(1)


class SongServerUser(User):
    """One signed-in user with a client of its own."""

    abstract = True
    wait_time = between(0.05, 0.2)

    def on_start(self) -> None:
        accounts = int(os.environ.get("SONGSERVER_POPULATE_USERS", "10"))
        username = f"user-{1 + next(numbers) % accounts}"
        assert self.host
        self.client = SongClient(
            self.host, username=username, password=os.environ["SONGSERVER_POPULATE_PASSWORD"], timeout=10.0
        )
        self.known: list[str] = []
        with self.timed("SignIn"):
            self.client.sign_in(username, os.environ["SONGSERVER_POPULATE_PASSWORD"])

    def on_stop(self) -> None:
        with self.timed("SignOut"):
            self.client.sign_out()
        self.client.close()

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Tells locust of one call: its name, how long it took in milliseconds, and what went wrong."""
        failure: Exception | None = None
        started = time.perf_counter()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure in locust's table
            failure = error
        event: dict[str, Any] = {"request_type": "grpc", "name": name, "response_length": 0, "exception": failure}
        self.environment.events.request.fire(response_time=(time.perf_counter() - started) * 1000, **event)


class Listener(SongServerUser):
    """Browses and searches."""

    weight = 9

    @task(4)
    def search_as_it_is_typed(self) -> None:
        word = random.choice(WORDS)
        for length in range(1, len(word) + 1, 2):
            with self.timed("SearchSongs"):
                answer = self.client.search_songs_page(word[:length], page_size=10)
                self.known = [result.song.id for result in answer.results] or self.known

    @task(2)
    def browse(self) -> None:
        token = ""
        for _ in range(3):
            with self.timed("ListSongs"):
                page = self.client.list_songs_page(page_size=20, page_token=token)
                self.known = [song.id for song in page.songs]
                token = page.next_page_token
            if not token:
                break

    @task(8)
    def look_at_a_song(self) -> None:
        if self.known:
            with self.timed("GetSong"):
                self.client.get_song(random.choice(self.known))

    @task(1)
    def look_at_several(self) -> None:
        if self.known:
            with self.timed("BatchGetSongs"):
                self.client.batch_get_songs(self.known[:10])

    @task(1)
    def look_at_oneself(self) -> None:
        with self.timed("GetMe"):
            self.client.get_me()


class Editor(SongServerUser):
    """Adds a song, mends it, and removes it again."""

    weight = 1

    @task
    def add_mend_and_remove(self) -> None:
        song = Song(title=f"Load {secrets.token_hex(8)}", artists=["Locust"], tags=["load"])
        with self.timed("CreateSong"):
            song = self.client.create_song(song)
        with self.timed("UpdateSong"):
            song = self.client.update_song(Song(id=song.id, etag=song.etag, album="Swarm"), ["album"])
        with self.timed("DeleteSong"):
            self.client.delete_song(song.id, etag=song.etag)
