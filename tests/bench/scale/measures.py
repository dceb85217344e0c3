"""What is measured, and how: calls one after the other, work on many songs, and what a server holds meanwhile."""

import math
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import psutil

from tests.bench.servers import MEGABYTE, cpu_seconds, family

T = TypeVar("T")

CALLS = 150
"""Calls of a kind, of which the 99th percentile leaves out the slowest."""
LEAST_CALLS = 5
WARM_UP = 5
"""Calls before, which do not count."""
SAMPLED_EVERY = 0.02
"""Seconds."""


@dataclass(frozen=True)
class Timing:
    """Calls of one kind, one after the other."""

    songs: int
    """How many there were."""
    kind: str
    by: str
    """Who answered."""
    calls: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answered: float = 1.0
    """The part of the calls that were answered with something."""

    @classmethod
    def of(cls, songs: int, kind: str, by: str, seconds: Sequence[float], answered: float = 1.0) -> "Timing":
        """Makes it of the time of each call."""
        p50, p95, p99 = (round(1000 * percentile(seconds, part), 3) for part in (0.5, 0.95, 0.99))
        return cls(songs, kind, by, len(seconds), p50, p95, p99, round(answered, 3))


@dataclass(frozen=True)
class Work:
    """Something that was done with many songs."""

    songs: int
    """How many there were at its end."""
    kind: str
    by: str
    rows: int
    """With how many it was done."""
    seconds: float
    client_us: float
    """CPU time a row."""
    server_us: float
    mongod_us: float

    @property
    def per_second(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


@dataclass(frozen=True)
class Fact:
    """A single number."""

    songs: int
    kind: str
    value: float
    unit: str


@dataclass
class Meter:
    """What a block of work took."""

    seconds: float = 0.0
    client: float = 0.0
    """Seconds of CPU time."""
    server: float = 0.0
    mongod: float = 0.0

    def work(self, songs: int, kind: str, by: str, rows: int) -> Work:
        """Spreads it over rows."""
        client, server, mongod = (round(1e6 * each / rows, 1) for each in (self.client, self.server, self.mongod))
        return Work(songs, kind, by, rows, round(self.seconds, 3), client, server, mongod)


@contextmanager
def metered(mongod: psutil.Process, server: psutil.Process | None = None) -> Iterator[Meter]:
    """Measures what a block takes; the client's part is that of this process and of the commands that it runs."""
    processes = family(server) if server else []
    meter = Meter()
    client, of_server, of_mongod = _own_cpu(), cpu_seconds(processes), cpu_seconds([mongod])
    begun = time.perf_counter()
    yield meter
    meter.seconds = time.perf_counter() - begun
    meter.client = _own_cpu() - client
    meter.server = cpu_seconds(processes) - of_server
    meter.mongod = cpu_seconds([mongod]) - of_mongod


@dataclass
class Growth:
    """How far the memory of a server has gone up."""

    process: psutil.Process
    begin_mb: float = 0.0
    up_mb: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)

    def sample(self) -> None:
        """Looks until it is done."""
        while not self._done.wait(SAMPLED_EVERY):
            self.up_mb = max(self.up_mb, resident(self.process) - self.begin_mb)


@contextmanager
def growth(process: psutil.Process) -> Iterator[Growth]:
    """Samples the resident memory of a server and all its processes while a block runs."""
    measured = Growth(process, resident(process))
    sampling = threading.Thread(target=measured.sample, name="growth", daemon=True)
    sampling.start()
    try:
        yield measured
    finally:
        measured._done.set()
        sampling.join()


def resident(process: psutil.Process) -> float:
    """The resident memory of a server and all its processes, in MB."""
    total: int = sum(each.memory_info().rss for each in family(process))
    return total / MEGABYTE


def timed(
    songs: int, by: str, asked: Mapping[str, Sequence[T]], ask: Callable[[T], object], most: float
) -> list[Timing]:
    """Asks one question after the other, of each kind in turn: so what slows the machine down for a while slows all.

    Args:
        songs: How many there are.
        by: Who is asked.
        asked: What to ask, by its kind; the first `WARM_UP` of each are not counted.
        ask: Asks; gives what is true if there was something to answer.
        most: Seconds of a kind after which no further question of it is asked.
    """
    seconds: dict[str, list[float]] = {kind: [] for kind in asked}
    answered = Counter[str]()
    for number in range(max(map(len, asked.values()))):
        for kind, questions in asked.items():
            spent = seconds[kind]
            if number >= len(questions) or (len(spent) >= LEAST_CALLS and sum(spent) > most):
                continue
            begun = time.perf_counter()
            answer = ask(questions[number])
            if number >= WARM_UP:
                spent.append(time.perf_counter() - begun)
                answered[kind] += bool(answer)
    return [Timing.of(songs, kind, by, spent, answered[kind] / len(spent)) for kind, spent in seconds.items()]


def percentile(values: Sequence[float], part: float) -> float:
    """Gives the smallest value that so large a part of all is not above (the nearest rank)."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def _own_cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
