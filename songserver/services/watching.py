"""WatchSongs: tells each client of the changes that its filter selects, from where it is.

Clients with the same filter share a feed, in which each change is judged, and made a response, once. A client that does
not keep up leaves its feed, and is told of what it has missed by a change stream of its own, until it has met the feed.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import NamedTuple

from songs.v1 import song_streams_pb2
from songs.v1.song_pb2 import Song
from songs.v1.song_streams_pb2 import WatchSongsRequest, WatchSongsResponse
from songserver.breath import Turns
from songserver.errors import ServerStopping, SongServerError
from songserver.paging import PageTokens
from songserver.storage.mongo import timestamp
from songserver.storage.song_changes import Change, SongChanges
from songserver.storage.song_lists import to_predicate

HEARTBEAT = 15.0
"""Seconds after which a client that has heard of no change is told that all is well."""
MOST_WAITING = 256
"""Changes that wait for a client before it is one that does not keep up."""
WOKEN = 32
"""Clients that are told of a change before other calls have their turn: it takes 3 ms."""


class Told(NamedTuple):
    """A change, as the clients of a feed are told of it."""

    position: str
    response: WatchSongsResponse


class Watcher:
    """A client, and what it has yet to be told."""

    def __init__(self, position: str) -> None:
        """
        Args:
            position: Up to where it has been told of all changes; empty: it wants to know of those from now on.
        """
        self.position = position
        self.is_behind = False
        """Whether there was more to tell than may wait."""
        self._waiting: deque[Told] = deque()
        self._news = asyncio.Event()
        self._ended: SongServerError | None = None

    def put(self, told: Told) -> None:
        """Has a change wait until the client is woken."""
        if len(self._waiting) == MOST_WAITING:
            self.is_behind = True
            self._waiting.clear()
        if not self.is_behind:
            self._waiting.append(told)

    @property
    def has_news(self) -> bool:
        """Whether there is something that waits."""
        return bool(self._waiting) or self.is_behind

    def wake(self) -> None:
        """Has the client told."""
        self._news.set()

    def end(self, error: SongServerError) -> None:
        """Has the client told that there will be no more."""
        self._ended = error
        self.wake()

    def check(self) -> None:
        """Raises what the client is to be told at the end, if this is it."""
        if self._ended:
            raise self._ended

    async def next(self) -> Told | None:
        """Gives what the client is to be told next; None if it is behind, or if there was nothing for `HEARTBEAT`."""
        self.check()
        if not self.has_news:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._news.wait()
            self.check()
        return self._waiting.popleft() if self._waiting else None


class Feed:
    """The clients with one filter."""

    def __init__(
        self, selects: Callable[[Song], bool], write_token: Callable[[list[str | int]], str], turns: Turns
    ) -> None:
        self._selects = selects
        self._write_token = write_token
        self._turns = turns
        self.watchers: set[Watcher] = set()
        """All of them."""
        self.live: set[Watcher] = set()
        """Those that are told of changes as they happen."""

    def hear(self, change: Change) -> None:
        """Takes a change as it happens."""
        if response := self.response_to(change):
            told = Told(change.position, response)
            for watcher in self.live:
                watcher.put(told)

    async def pass_on(self) -> None:
        """Wakes those for whom there is something."""
        for watcher in [watcher for watcher in self.live if watcher.has_news]:
            watcher.wake()
            await self._turns.take()

    def end(self, error: SongServerError) -> None:
        """Hears why no more is told as it happens."""
        for watcher in self.live:
            watcher.end(error)

    def response_to(self, change: Change) -> WatchSongsResponse | None:
        """Gives what clients are told of a change; None if it is none for this filter."""
        created = change.kind == song_streams_pb2.SONG_CHANGE_CREATED
        # A song of which it is not known how it was may have been one of these: better told of in vain than not.
        was_in = not created and (change.before is None or self._selects(change.before))
        if change.after and self._selects(change.after):
            kind = song_streams_pb2.SONG_CHANGE_UPDATED if was_in else song_streams_pb2.SONG_CHANGE_CREATED
            song = change.after
        elif was_in:
            kind = song_streams_pb2.SONG_CHANGE_DELETED
            song = Song(id=change.song_id)
        else:
            return None
        token = self._write_token([change.position])
        return WatchSongsResponse(change=kind, song=song, resume_token=token, time=change.time)

    def heartbeat(self, position: str) -> WatchSongsResponse:
        """Tells that all is well, and that a client has been told of all up to a position."""
        return WatchSongsResponse(
            change=song_streams_pb2.SONG_CHANGE_HEARTBEAT, resume_token=self._write_token([position]), time=timestamp()
        )


class Watching:
    """Tells clients of changes."""

    def __init__(self, changes: SongChanges, tokens: PageTokens) -> None:
        self._changes = changes
        self._tokens = tokens
        self._feeds: dict[bytes, Feed] = {}
        self._turns = Turns(WOKEN)
        self._stopping = False

    def stop(self) -> None:
        """Tells all clients to go, those that come from now on too."""
        self._stopping = True
        for feed in self._feeds.values():
            for watcher in feed.watchers:
                watcher.end(ServerStopping())

    async def run(self, request: WatchSongsRequest) -> AsyncGenerator[WatchSongsResponse]:
        """Tells a client of changes until it goes.

        Raises:
            InvalidDataFormat: If the resume_token is not one of this filter.
            ResumeTokenExpired: If MongoDB does not know any more what has changed since.
            DatabaseFailure: If MongoDB is away, for longer than an election or a restart takes.
            ServerStopping: If the server stops.
        """
        if self._stopping:
            raise ServerStopping
        (position,) = self._tokens.read(request, "resume_token") if request.resume_token else ("",)
        watcher = Watcher(position)
        with self._feed_of(request, watcher) as feed:
            while True:
                for tell in (self._tell_missed, self._tell_live):
                    async with aclosing(tell(feed, watcher)) as responses:
                        async for response in responses:
                            yield response

    @contextmanager
    def _feed_of(self, request: WatchSongsRequest, watcher: Watcher) -> Iterator[Feed]:
        """Gives the feed of the request's filter, which is there while it has watchers."""
        query = WatchSongsRequest()
        query.CopyFrom(request)
        query.ClearField("resume_token")
        key = query.SerializeToString(deterministic=True)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(to_predicate(query.filter), self._tokens.writer(query), self._turns)
        feed.watchers.add(watcher)
        try:
            yield feed
        finally:
            self._leave(feed, watcher)
            feed.watchers.discard(watcher)
            if not feed.watchers:
                self._feeds.pop(key, None)

    async def _tell_missed(self, feed: Feed, watcher: Watcher) -> AsyncGenerator[WatchSongsResponse]:
        """Tells a client of what it has missed, until it has met the others, of which it is then one."""
        if not watcher.position:
            watcher.position = await self._join(feed, watcher)
            yield feed.heartbeat(watcher.position)
            return
        meeting = ""
        heartbeat_due = 0.0
        async with aclosing(self._changes.since(watcher.position)) as own:
            async for position, change in own:
                watcher.check()
                if time.monotonic() > heartbeat_due:
                    yield feed.heartbeat(watcher.position)
                    heartbeat_due = time.monotonic() + HEARTBEAT
                watcher.position = position
                if change and (response := feed.response_to(change)):
                    yield response
                if change is None and not meeting:
                    meeting = await self._join(feed, watcher)
                if meeting and position >= meeting:
                    return

    async def _tell_live(self, feed: Feed, watcher: Watcher) -> AsyncGenerator[WatchSongsResponse]:
        """Tells a client of changes as they happen, until it is behind."""
        while not watcher.is_behind:
            told = await watcher.next()
            if told and told.position > watcher.position:
                watcher.position = told.position
                yield told.response
            elif told is None and not watcher.is_behind and self._changes.is_open:
                watcher.position = self._changes.position
                yield feed.heartbeat(watcher.position)
        self._leave(feed, watcher)
        watcher.is_behind = False

    async def _join(self, feed: Feed, watcher: Watcher) -> str:
        """Has a client told of all that happens; gives from where on."""
        feed.live.add(watcher)
        await self._changes.join(feed)
        return self._changes.position

    def _leave(self, feed: Feed, watcher: Watcher) -> None:
        feed.live.discard(watcher)
        if not feed.live:
            self._changes.leave(feed)
