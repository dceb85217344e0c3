"""All songs go out as a stream, to those who read fast and those who do not; and duplicates are looked for."""

import time
from collections.abc import Iterator
from itertools import islice

from songs.v1.song_duplicates_pb2 import FindDuplicatesRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.song_streams_pb2 import ExportSongsRequest
from tests.bench.contestants import OURS
from tests.bench.scale.measures import Fact, Timing, Work, growth, metered
from tests.bench.scale.reading import PATIENCE, Metadata
from tests.bench.served import Catalogue
from tests.bench.servers import Server

BEGUN = 25
"""Exports of which only the beginning is read."""
ALL_TIME = 600.0
"""Seconds for a stream of all songs."""
SLOW_MESSAGES = 30
SLOW_PAUSE = 0.1
"""Seconds that a slow reader takes for a message."""
FIRST = "export: first songs"
EXPORT = "export"
EXPORT_UP = "export: server's memory up"
SLOW_UP = "export to a slow reader: server's memory up"
DUPLICATES = "find duplicates"


def export(
    stub: SongServiceStub, metadata: Metadata, server: Server, place: Catalogue, songs: int
) -> Iterator[Timing | Work | Fact]:
    """Exports all songs, begins it often, and reads it slowly."""
    seconds = []
    for _ in range(BEGUN):
        begun = time.perf_counter()
        call = stub.ExportSongs(ExportSongsRequest(), metadata=metadata, timeout=PATIENCE)
        assert next(call).songs
        seconds.append(time.perf_counter() - begun)
        call.cancel()
    yield Timing.of(songs, FIRST, OURS, seconds)
    with growth(server.process) as memory, metered(place.mongod, server.process) as meter:
        rows = 0
        for exported in stub.ExportSongs(ExportSongsRequest(), metadata=metadata, timeout=ALL_TIME):
            rows += len(exported.songs)
    assert rows == songs, f"{rows} of {songs} songs were exported"
    yield meter.work(songs, EXPORT, OURS, rows)
    yield Fact(songs, EXPORT_UP, round(memory.up_mb, 1), "MB")
    with growth(server.process) as memory:
        call = stub.ExportSongs(ExportSongsRequest(), metadata=metadata, timeout=ALL_TIME)
        for _ in islice(call, SLOW_MESSAGES):
            time.sleep(SLOW_PAUSE)
        call.cancel()
    yield Fact(songs, SLOW_UP, round(memory.up_mb, 1), "MB")


def find_duplicates(
    stub: SongServiceStub, metadata: Metadata, server: Server, place: Catalogue, songs: int
) -> Iterator[Work | Fact]:
    """Looks for duplicates among all songs."""
    with metered(place.mongod, server.process) as meter:
        groups = 0
        for found in stub.FindDuplicates(FindDuplicatesRequest(), metadata=metadata, timeout=ALL_TIME):
            groups += len(found.groups)
    yield meter.work(songs, DUPLICATES, OURS, songs)
    yield Fact(songs, "duplicates: groups that were found", groups, "")
