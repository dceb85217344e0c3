"""Songs go in: by `songctl import`, and by mongoimport as the documents that the server makes of them."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bson import json_util

from songserver.storage.indexes import SONGS
from tests.bench.contestants import BIN, HERE, OUT, Contestant
from tests.bench.scale.measures import Work, metered
from tests.bench.served import PASSWORD, USERNAME, Catalogue, populate
from tests.bench.servers import Server, running

MONGOIMPORT = Contestant(
    "mongoimport",
    (str(OUT / "mongoimport"),),
    directory=HERE / "mongoimport",
    needs=("go",),
    build=(
        (
            *("go", "build", "-trimpath", "-o", str(OUT / "mongoimport")),
            "github.com/mongodb/mongo-tools/mongoimport/main",
        ),
    ),
)
SONGCTL = "songctl import"
LOADING = "import"
TURNS = "import in turns"
CACHE = "2G"
"""Of mongod, for its data: the embedded one has 0.25 GB else, which is too little for a million songs."""
ROW_TIME = 0.005
"""Seconds that a row may take before something hangs."""


def enlarge_cache(place: Catalogue) -> None:
    """Gives mongod the cache that one of a large catalogue has."""
    place.client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=f"cache_size={CACHE}")


def import_file(server: Server, place: Catalogue, path: Path, *, rows: int, songs: int, kind: str = LOADING) -> Work:
    """Imports a file as its user would.

    Args:
        server: The server.
        place: Where its database is.
        path: The file.
        rows: How many songs it has.
        songs: How many there are then.
        kind: What to call it.

    Raises:
        subprocess.SubprocessError: If that fails.
    """
    environment = {
        **os.environ,
        "SONGCTL_SERVER": server.address,
        "SONGCTL_SESSION": str(place.directory / f"session-{server.address}.json"),
        "SONGCTL_PASSWORD": PASSWORD,
    }
    subprocess.run(
        [BIN / "songctl", "login", USERNAME], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60
    )
    with metered(place.mongod, server.process) as meter:
        done = subprocess.run(
            [BIN / "songctl", "--json", "import", path],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            timeout=60 + rows * ROW_TIME,
            cwd=place.directory,
        )
    counts = json.loads(done.stdout)
    assert (counts["read"], counts["created"], counts["rejected"]) == (rows, rows, 0), counts
    return meter.work(songs, kind, SONGCTL, rows)


def in_turns(contestant: Contestant, place: Catalogue, path: Path, rows: int) -> Iterator[Work]:
    """Imports the same songs over and over, each time into a database without any: by us, by mongoimport, and again.

    Args:
        contestant: Our server.
        place: Where databases are.
        path: The file of the songs.
        rows: How many songs it has.
    """
    documents = place.directory / "documents.jsonl"
    for turn in range(2):
        with _database(place, f"turn_{turn}_ours") as (name, environment):
            populate(environment, 0)
            with running(replace(contestant, environment=environment), place) as server:
                yield import_file(server, place, path, rows=rows, songs=rows, kind=TURNS)
            if MONGOIMPORT.missing():
                continue
            if not documents.exists():
                _write_documents(place, name, documents)
        with _database(place, f"turn_{turn}_mongoimport") as (name, _):
            yield _mongoimport(place, name, documents, rows)


def _mongoimport(place: Catalogue, name: str, documents: Path, rows: int) -> Work:
    """Imports documents with mongoimport, which waits for the majority as ours does, into the same indexes."""
    place.client[name].songs.create_indexes(SONGS)
    address = place.environment["MONGODB_URI"].replace("/?", f"/{name}?")
    workers = ("--numInsertionWorkers", str(os.cpu_count() or 1))
    with metered(place.mongod) as meter:
        subprocess.run(
            [*MONGOIMPORT.command, "--quiet", "--uri", address, "--collection", "songs", *workers, "--file", documents],
            check=True,
            timeout=60 + rows * ROW_TIME,
        )
    stored = place.client[name].songs.count_documents({})
    assert stored == rows, f"mongoimport has stored {stored} of {rows} documents"
    return meter.work(rows, TURNS, MONGOIMPORT.name, rows)


def _write_documents(place: Catalogue, name: str, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for document in place.client[name].songs.find({}):
            file.write(json_util.dumps(document, json_options=json_util.RELAXED_JSON_OPTIONS) + "\n")


@contextmanager
def _database(place: Catalogue, name: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Gives a database and what makes a server use it; removes it at the end."""
    try:
        yield name, {**place.environment, "SONGSERVER_MONGODB_DATABASE": name}
    finally:
        place.client.drop_database(name)
