"""`make bench-catalogue`: the catalogue at scale, measured with a tenth of the songs and with all of them.

    python -m tests.bench.catalogue [--songs 1000000] [--engine grpcio] [--seconds 3]    measures, prints, draws
    python -m tests.bench.catalogue --table                                              puts it into docs/catalogue.md

The songs are synthetic: made of the words and names of ../shared/data/songs.csv (or --from) by a fixed seed. A mongod
of its own with a cache of 2 GB, a server as it is served, real sockets, one call at a time. Beside searches `$text`
runs on the same collection: its index is made when all else is measured at that size, and removed after it.
"""

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import grpc

from songs.v1.song_service_pb2_grpc import SongServiceStub
from tests.bench.contestants import OUT, ROOT, WORKERS, of_engine
from tests.bench.load import sign_in
from tests.bench.run import begin, machine, say
from tests.bench.scale.drawing import draw
from tests.bench.scale.loading import CACHE, MONGOIMPORT, enlarge_cache, import_file, in_turns
from tests.bench.scale.measures import Fact, Timing, Work
from tests.bench.scale.questions import misspelt, searches
from tests.bench.scale.reading import Caller, Metadata, search_text, skip_pages
from tests.bench.scale.report import markdown
from tests.bench.scale.results import Results
from tests.bench.scale.sizes import sizes
from tests.bench.scale.streaming import export, find_duplicates
from tests.bench.scale.synthetic import SEED, Corpus, SyntheticSong, synthetic_songs, write_songs
from tests.bench.scale.watching import watch_lags
from tests.bench.served import Catalogue, empty, populate
from tests.bench.servers import Server, running
from tests.bench.tables import write_into

SONGS = 1_000_000
LEAST_SONGS = 2000
PART = 10
"""It is measured first with so small a part of the songs."""
MOST_IN_TURNS = 50_000
REAL_SONGS = ROOT.parent / "shared" / "data" / "songs.csv"
SAVED = OUT / "catalogue.json"
DRAWING = "catalogue.png"


@dataclass(frozen=True)
class Questions:
    """What is asked, the same with few songs and with all."""

    searches: dict[str, list[str]]
    typed: list[str]
    """What is suggested for."""
    genres: list[str]

    @classmethod
    def about(cls, songs: Sequence[SyntheticSong]) -> "Questions":
        """Draws them from songs."""
        asked = searches(songs)
        typed = [*asked["2 letters, common"][::2], *asked["4 letters, rare"][::2]]
        genres = [song.genre for song in islice((song for song in songs if song.genre), len(asked["1 word, common"]))]
        return cls({**asked, **misspelt(songs)}, typed, genres)


def measure(results: Results, corpus: Corpus, engine: str, songs: int, seconds: float) -> None:
    """Measures all of it, calls of each kind for so many seconds at the most."""
    with empty() as place:
        enlarge_cache(place)
        contestant = of_engine(engine)[0]
        made = synthetic_songs(corpus)
        few = list(islice(made, songs // PART))
        turns, first, rest = (place.directory / f"{name}.csv" for name in ("turns", "first", "rest"))
        write_songs(few[:MOST_IN_TURNS], turns)
        write_songs(few, first)
        write_songs(islice(made, songs - len(few)), rest)
        if missing := MONGOIMPORT.missing():
            results.skipped = f"mongoimport, which needs {missing}"
            say(f"skipped: {results.skipped}")
        else:
            MONGOIMPORT.prepare()
        with step("import and mongoimport in turns"):
            results.add(in_turns(contestant, place, turns, min(len(few), MOST_IN_TURNS)))
        populate(place.environment, 0)
        questions = Questions.about(few)
        with running(contestant, place) as server:
            for path, rows, there in ((first, len(few), len(few)), (rest, songs - len(few), songs)):
                with step(f"import of {rows:,} songs"):
                    results.add([import_file(server, place, path, rows=rows, songs=there)])
                results.add(measure_with(server, place, questions, there, seconds))


def measure_with(
    server: Server, place: Catalogue, questions: Questions, songs: int, seconds: float
) -> Iterator[Timing | Work | Fact]:
    """Measures all but the import, with the songs that are there."""
    metadata: Metadata = (("authorization", f"Bearer {sign_in(server.address)}"),)
    with grpc.insecure_channel(server.address) as channel:
        stub = SongServiceStub(channel)
        caller = Caller(stub, metadata, songs, seconds)
        with step(f"{songs:,} songs: searches"):
            yield from caller.search(questions.searches)
        with step(f"{songs:,} songs: suggestions, counts, pages"):
            yield from caller.suggest(questions.typed)
            yield from caller.count(questions.genres)
            yield from caller.list_pages()
        with step(f"{songs:,} songs: pages by skip"):
            yield from skip_pages(place.client.songs.songs, songs, seconds)
        with step(f"{songs:,} songs: watches"):
            yield from watch_lags(server.address, metadata, place, songs, seconds)
        with step(f"{songs:,} songs: exports, duplicates"):
            yield from export(stub, metadata, server, place, songs)
            yield from find_duplicates(stub, metadata, server, place, songs)
        yield from sizes(server, place, songs)
    with step(f"{songs:,} songs: $text"):
        yield from search_text(place.client.songs.songs, songs, questions.searches, seconds)


def circumstances(engine: str, songs: int) -> dict[str, Any]:
    """What it ran on, and how."""
    return {
        **machine(),
        "synthetic songs": songs,
        "seed": SEED,
        "engine": engine,
        "workers": WORKERS[engine],
        "mongod's cache": CACHE,
        **{name: importlib.metadata.version(name) for name in ("grpcio", "pymongo", "protobuf")},
        "commit": _commit(),
    }


def _commit() -> str:
    git = shutil.which("git")
    if not git:
        return "unknown"
    command = [git, "describe", "--always", "--dirty"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tells what is done, and how long it took."""
    begun = time.monotonic()
    yield
    say(f"{time.monotonic() - begun:6.1f} s  {name}")


def main() -> int:
    """Measures and reports; gives the exit status."""
    parser = argparse.ArgumentParser(description="The catalogue at scale.")
    parser.add_argument("--songs", type=int, default=SONGS, help=f"{LEAST_SONGS} or more")
    parser.add_argument("--engine", choices=list(WORKERS), default="grpcio")
    parser.add_argument("--seconds", type=float, default=3.0, help="of calls of one kind, at the most")
    parser.add_argument("--from", dest="real", type=Path, default=REAL_SONGS, help="the table of real songs")
    parser.add_argument("--out", type=Path, default=SAVED, help="where what is measured goes")
    parser.add_argument("--table", action="store_true", help="measure nothing, put the last run into docs/catalogue.md")
    options = parser.parse_args()
    if options.table:
        results = Results.from_json(json.loads(options.out.read_text()))
        write_into(ROOT / "docs" / "catalogue.md", markdown(results), "catalogue")
        draw(results, ROOT / "docs" / DRAWING)
        return 0
    if options.songs < LEAST_SONGS:
        parser.error(f"--songs must be {LEAST_SONGS} or more")
    try:
        corpus = Corpus.read(options.real)
    except OSError as error:
        sys.exit(
            f"the songs are made of the words of real ones, and these cannot be read: {error}\nsay where: --from FILE"
        )
    begin()
    results = Results(circumstances(options.engine, options.songs))
    try:
        measure(results, corpus, options.engine, options.songs, options.seconds)
    finally:
        # Also what breaks off has measured something.
        options.out.write_text(json.dumps(results.as_json(), indent=1))
    draw(results, options.out.with_suffix(".png"))
    say(markdown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
