"""What all of it takes in memory and on disk."""

from collections.abc import Iterator

from songserver.storage.indexes import SONGS
from tests.bench.scale.measures import Fact
from tests.bench.served import Catalogue, Document
from tests.bench.servers import MEGABYTE, Server

SAMPLE = 1000
COLLECTIONS = ("songs", "vocabulary")


def sizes(server: Server, place: Catalogue, songs: int) -> Iterator[Fact]:
    """Measures memory, data and indexes."""
    memory = server.memory()
    yield Fact(songs, "memory of the server, all processes (PSS)", round(memory.total, 1), "MB")
    yield Fact(songs, "memory of its largest process (PSS)", round(memory.largest, 1), "MB")
    yield Fact(songs, "memory of mongod (RSS)", round(place.mongod.memory_info().rss / MEGABYTE, 1), "MB")
    database = place.client.songs
    # What is not on disk yet is not counted.
    place.client.admin.command("fsync")
    for name in COLLECTIONS:
        stats = database.command("collStats", name)
        yield Fact(songs, f"{name}: documents", stats["count"], "")
        yield Fact(songs, f"{name}: data", round(stats["size"] / MEGABYTE, 1), "MB")
        yield Fact(songs, f"{name}: data on disk", round(stats["storageSize"] / MEGABYTE, 1), "MB")
        for index, size in stats["indexSizes"].items():
            yield Fact(songs, f"{name}: index {index}", round(size / MEGABYTE, 1), "MB")
    mean = {"$group": {"_id": None, "mean": {"$avg": {"$size": "$words"}}}}
    stages: list[Document] = [{"$sample": {"size": SAMPLE}}, mean]
    (words,) = database.songs.aggregate(stages)
    yield Fact(songs, "words by which a song is found", round(words["mean"], 1), "")
    yield Fact(songs, "indexes of songs", len(SONGS) + 1, "")
