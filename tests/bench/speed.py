"""`make bench`: the song server beside what people would have used instead, in one run on one machine.

    python -m tests.bench.speed [--rounds 3] [--only NAME ...] [--seconds 2.5]    measures, prints, draws
    python -m tests.bench.speed --table                                           puts the last run into docs/speed.md

In each round every contestant is started, loaded and stopped for one operation before the next operation begins, so
that those who are compared run within minutes of each other. What is measured goes to tests/bench/out/.
"""

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from typing import Any

from tests.bench.contestants import (
    GRPCIO_AIO_NO_OP,
    OPERATIONS,
    OUT,
    PEERS_ALL,
    ROOT,
    WORKERS,
    Contestant,
    engines,
    ours,
)
from tests.bench.load import Sample, measure
from tests.bench.ratios import targets
from tests.bench.report import Results, Start, draw, markdown
from tests.bench.run import Ground, ground, machine, say
from tests.bench.servers import running
from tests.bench.tables import write_into

SONGS = 100_000
IN_FLIGHT = (1, 64, 256)
SEARCHES_IN_FLIGHT = (1, 64)
"""A search over all songs is slow enough in some contestants that more would only wait."""
WARMING = 3.0
"""Seconds of 64 calls in flight before a server is measured: just-in-time compilers take their time."""
WARM_UP = 0.5
"""Seconds before each measurement."""


def measure_all(
    place: Ground, rounds: int, seconds: float, operations: Sequence[str]
) -> tuple[list[Start], list[Sample]]:
    """Measures every contestant in every operation, round after round."""
    starts: list[Start] = []
    samples: list[Sample] = []
    for round_number in range(rounds):
        for operation in operations:
            for contestant in place.contestants:
                if operation in contestant.operations:
                    say(f"round {round_number + 1}, {operation}: {contestant.name}")
                    start, measured = _measure_one(place, contestant, operation, seconds, round_number)
                    starts.append(start)
                    samples += measured
            place.catalogue.remove_created()
    return starts, samples


def _measure_one(
    place: Ground, contestant: Contestant, operation: str, seconds: float, round_number: int
) -> tuple[Start, list[Sample]]:
    samples: list[Sample] = []
    with running(contestant, place.catalogue) as server:
        memory = server.memory()
        start = Start(contestant.name, server.start_seconds, memory.total, memory.largest, memory.largest_rss)
        load = functools.partial(measure, server, place.catalogue, operation, token=place.token, warm_up=WARM_UP)
        load(64, seconds=WARMING)
        for level in SEARCHES_IN_FLIGHT if operation == "SearchSongs" else IN_FLIGHT:
            sample = load(level, seconds=seconds, round_number=round_number)
            samples.append(sample)
            failed = f"; {sample.errors} failed: {sample.first_error}" if sample.errors else ""
            say(f"  {level:4} in flight: {sample.per_second:9,.0f}/s, p99 {sample.p99_ms:8.2f} ms{failed}")
    return start, samples


def circumstances(rounds: int, seconds: float) -> dict[str, Any]:
    """What it ran on, and how."""
    workers = ", ".join(f"{WORKERS[engine]} ({engine})" for engine in engines())
    return {
        **machine(),
        "songs": SONGS,
        "rounds": rounds,
        "seconds a measurement": seconds,
        "workers of ours": workers,
    }


def main() -> int:
    """Measures and reports; gives the exit status."""
    parser = argparse.ArgumentParser(description="The song server beside what people would have used instead.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.5, help="of one measurement")
    parser.add_argument("--only", nargs="*", help="contestants whose names begin so")
    parser.add_argument("--operations", nargs="*", choices=OPERATIONS, default=OPERATIONS)
    parser.add_argument("--table", action="store_true", help="measure nothing, put the last run into docs/speed.md")
    options = parser.parse_args()
    saved = OUT / "speed.json"
    wanted_targets = targets(engines())
    if options.table:
        results = Results.from_json(json.loads(saved.read_text()))
        write_into(ROOT / "docs" / "speed.md", markdown(results, wanted_targets), "speed")
        return 0
    contestants = [
        contestant
        for contestant in (*ours(), *PEERS_ALL, GRPCIO_AIO_NO_OP)
        if not options.only or contestant.name.startswith(tuple(options.only))
    ]
    with ground(contestants, SONGS) as place:
        starts, samples = measure_all(place, options.rounds, options.seconds, options.operations)
    results = Results(circumstances(options.rounds, options.seconds), place.skipped, starts, samples)
    saved.write_text(json.dumps(results.as_json(wanted_targets), indent=1))
    draw(results, OUT / "speed.png")
    say(markdown(results, wanted_targets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
