"""All that a run has measured, and what of it should be reached."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from statistics import geometric_mean
from typing import Any, NamedTuple

from tests.bench.contestants import OURS
from tests.bench.scale.loading import LOADING, MONGOIMPORT, SONGCTL, TURNS
from tests.bench.scale.measures import Fact, Timing, Work
from tests.bench.scale.reading import COUNT_EXACT, DEPTHS, SEARCH
from tests.bench.scale.streaming import EXPORT, EXPORT_UP, FIRST, SLOW_UP

MISSPELT = f"{SEARCH}misspelt"
WATCH = "watch: "
PAGES = tuple(DEPTHS)
BOUNDS_MS = {MISSPELT: 60.0, SEARCH: 25.0, WATCH: 100.0, FIRST: 200.0}
"""What the 99th percentile of each kind that begins so should be under."""
GROWTH = 2.0
"""How much more anything may take of all songs than of a tenth of them."""

NOTHING_MS = 0.1
"""Times under this are not told apart: a watcher may be told before the creator is answered."""


class Verdict(NamedTuple):
    """Whether something is reached."""

    what: str
    wanted: str
    measured: str
    reached: bool | None
    """None if it was not measured."""


@dataclass
class Results:
    """All that was measured."""

    machine: dict[str, Any]
    """What it ran on, and how."""
    skipped: str = ""
    """What could not be measured, and what it needs."""
    timings: list[Timing] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Results":
        """Reads catalogue.json."""
        return cls(
            data["machine"],
            data["skipped"],
            [Timing(**timing) for timing in data["timings"]],
            [Work(**work) for work in data["works"]],
            [Fact(**fact) for fact in data["facts"]],
        )

    def as_json(self) -> dict[str, Any]:
        """Gives catalogue.json."""
        return {**asdict(self), "verdicts": [verdict._asdict() for verdict in verdicts(self)]}

    def add(self, measured: Iterable[Timing | Work | Fact]) -> None:
        """Takes what was measured as it comes."""
        for each in measured:
            match each:
                case Timing():
                    self.timings.append(each)
                case Work():
                    self.works.append(each)
                case Fact():
                    self.facts.append(each)

    @property
    def sizes(self) -> list[int]:
        """How many songs there were when it was measured: a tenth of all, and all."""
        return sorted({timing.songs for timing in self.timings})

    def timing(self, kind: str, songs: int, by: str = OURS) -> Timing | None:
        """Gives the calls of a kind."""
        wanted = (kind, songs, by)
        return next((each for each in self.timings if (each.kind, each.songs, each.by) == wanted), None)

    def kinds(self) -> list[str]:
        """The kinds of our calls, in the order in which they were measured."""
        return list(dict.fromkeys(each.kind for each in self.timings if each.by == OURS))

    def growths(self) -> Iterator[tuple[str, float, float]]:
        """Gives how much more each kind of call takes of all songs: in the median, and in the 99th percentile."""
        few, all_songs = self.sizes[0], self.sizes[-1]
        for kind in self.kinds():
            before, now = self.timing(kind, few), self.timing(kind, all_songs)
            # To count all is to look at all.
            if before and now and kind != COUNT_EXACT and few < all_songs:
                yield kind, _ratio(now.p50_ms, before.p50_ms), _ratio(now.p99_ms, before.p99_ms)


def _ratio(now_ms: float, before_ms: float) -> float:
    return max(now_ms, NOTHING_MS) / max(before_ms, NOTHING_MS)


def bound_of(kind: str) -> float | None:
    """Gives what the 99th percentile of calls of a kind should be under, in ms."""
    return next((bound for begin, bound in BOUNDS_MS.items() if kind.startswith(begin)), None)


def verdicts(results: Results) -> list[Verdict]:
    """Holds what was measured against what should be."""
    if not results.sizes:
        return []
    songs = results.sizes[-1]
    return [
        *_latencies(results, songs),
        *_pages(results, songs),
        *_flows(results, songs),
        *_memory(results, songs),
        *_growths(results),
    ]


def _latencies(results: Results, songs: int) -> Iterator[Verdict]:
    named = {SEARCH: "search", MISSPELT: "search, misspelt", FIRST: "export: first songs", WATCH: "watch: lag"}
    for begin, name in named.items():
        bound = BOUNDS_MS[begin]
        of_kind = [
            each
            for kind in results.kinds()
            if kind.startswith(begin) and bound_of(kind) == bound and (each := results.timing(kind, songs))
        ]
        if not of_kind:
            continue
        slow = [each for each in of_kind if each.p99_ms >= bound]
        worst = max(of_kind, key=lambda each: each.p99_ms)
        told = f"{worst.p99_ms:.1f} ms ({worst.kind})"
        if len(of_kind) > 1:
            told += f"; {len(of_kind) - len(slow)} of {len(of_kind)} kinds reach it"
        yield Verdict(f"{name}, p99 of the slowest kind", f"under {bound:g} ms", told, not slow)


def _pages(results: Results, songs: int) -> Iterator[Verdict]:
    first, deep = results.timing(PAGES[0], songs), results.timing(PAGES[-1], songs)
    if not first or not deep:
        return
    ratio = deep.p50_ms / first.p50_ms
    yield Verdict(
        f"a page after {int(DEPTHS[PAGES[-1]] * songs):,} songs, to the first one: p50",
        "at most 1.2",
        f"{ratio:.2f} (p99: {deep.p99_ms / first.p99_ms:.2f})",
        ratio <= 1.2,
    )


def _flows(results: Results, songs: int) -> Iterator[Verdict]:
    for name, kind, least in (("import", LOADING, 15_000), ("export", EXPORT, 30_000)):
        for work in results.works:
            if (work.kind, work.songs) == (kind, songs):
                wanted, rows = f"at least {least:,} songs/s", f"{work.per_second:,.0f} songs/s"
                yield Verdict(name, wanted, rows, work.per_second >= least)
    ours, others = (
        [work.per_second for work in results.works if (work.kind, work.by) == (TURNS, by)]
        for by in (SONGCTL, MONGOIMPORT.name)
    )
    what = "import, to mongoimport into the same indexes"
    if others:
        ratio = geometric_mean(ours) / geometric_mean(others)
        turns = ", ".join(f"{our / other:.2f}" for our, other in zip(ours, others, strict=True))
        yield Verdict(what, "at least 1", f"{ratio:.2f} (in turns: {turns})", ratio >= 1)
    else:
        yield Verdict(what, "at least 1", "", None)


def _memory(results: Results, songs: int) -> Iterator[Verdict]:
    for fact in results.facts:
        if fact.kind in {EXPORT_UP, SLOW_UP} and fact.songs == songs:
            yield Verdict(fact.kind, "under 50 MB", f"{fact.value:.0f} MB", fact.value < 50)


def _growths(results: Results) -> Iterator[Verdict]:
    growths = list(results.growths())
    for name, found in (
        ("p50", [(median, kind) for kind, median, _ in growths]),
        ("p99", [(high, kind) for kind, _, high in growths]),
    ):
        if found:
            most, kind = max(found)
            reached = sum(growth <= GROWTH for growth, _ in found)
            told = f"{most:.2f} ({kind}); {reached} of {len(found)} kinds reach it"
            what = (
                f"calls with {results.sizes[-1]:,} songs, to those with {results.sizes[0]:,}: {name} of the worst kind"
            )
            yield Verdict(what, f"at most {GROWTH:g}", told, reached == len(found))
