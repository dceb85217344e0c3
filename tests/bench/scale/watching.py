"""How soon those who watch are told: from a create's answer to the message that tells of it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import grpc

from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import CreateSongRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.song_streams_pb2 import SONG_CHANGE_CREATED, WatchSongsRequest
from tests.bench.contestants import OURS
from tests.bench.scale.measures import CALLS, LEAST_CALLS, Timing
from tests.bench.scale.reading import PATIENCE, Metadata
from tests.bench.served import Catalogue

WATCHERS = {1: 0.01, 1000: 0.4}
"""How many watch at the same time, and the seconds between two songs that they are told of."""
CHANNELS = 8
ARTIST = "Watched By The Benchmark"
GIVE_UP = 60.0


@dataclass
class Heard:
    """What all watchers have heard, and when."""

    begun: int = 0
    """Watches that have begun."""
    times: dict[str, list[float]] = field(default_factory=dict)
    """By the id of the song."""


def watch_lags(address: str, metadata: Metadata, place: Catalogue, songs: int, seconds: float) -> Iterator[Timing]:
    """Creates songs for some seconds while others watch; removes them again."""
    for watchers, pause in WATCHERS.items():
        created = max(LEAST_CALLS, min(CALLS, int(seconds / pause)))
        lags = asyncio.run(_lags(address, metadata, watchers, created, pause))
        yield Timing.of(songs, f"watch: lag with {watchers:,} watcher{'s' * (watchers > 1)}", OURS, lags)
        place.client.songs.songs.delete_many({"keys.artists": ARTIST.casefold()})


async def _lags(address: str, metadata: Metadata, watchers: int, created: int, pause: float) -> list[float]:
    """Gives for each watcher and song the seconds from the answer to the message; 0 where that came first."""
    heard = Heard()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]))
            for _ in range(min(CHANNELS, watchers))
        ]
        watching = [
            group.create_task(_watch(channels[number % len(channels)], metadata, heard)) for number in range(watchers)
        ]
        await _until(lambda: heard.begun == watchers)
        # Not on the event loop of the watchers: the answer's time would wait for them.
        answered: dict[str, float] = {}
        creating = threading.Thread(target=_create, args=(address, metadata, created, pause, answered))
        creating.start()
        await asyncio.to_thread(creating.join)
        await _until(lambda: sum(map(len, heard.times.values())) >= watchers * created)
        for task in watching:
            task.cancel()
    return [max(0.0, at - answered[song_id]) for song_id, times in heard.times.items() for at in times]


async def _watch(channel: grpc.aio.Channel, metadata: Metadata, heard: Heard) -> None:
    first = True
    async for told in SongServiceStub(channel).WatchSongs(WatchSongsRequest(), metadata=metadata):
        now = time.monotonic()
        heard.begun += first
        first = False
        if told.change == SONG_CHANGE_CREATED:
            heard.times.setdefault(told.song.id, []).append(now)


def _create(address: str, metadata: Metadata, created: int, pause: float, answered: dict[str, float]) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = SongServiceStub(channel)
        for number in range(created):
            song = Song(title=f"Song No. {number}", artists=[ARTIST])
            response = stub.CreateSong(CreateSongRequest(song=song), metadata=metadata, timeout=PATIENCE)
            answered[response.song.id] = time.monotonic()
            time.sleep(pause)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVE_UP):
        while not condition():  # noqa: ASYNC110 - what it waits for is also done by a thread
            await asyncio.sleep(0.01)
