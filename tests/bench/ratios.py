"""What the numbers are worth: ratios of contestants measured one after the other, and what they should reach.

Absolute numbers are of one machine at one time. A ratio is made of two measurements of the same round, and the median
of all rounds counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.bench.contestants import GO, GRPCIO_AIO, OURS
from tests.bench.load import Sample

TOLERANCE = 0.2
"""The part by which a ratio may fall below the one recorded."""


@dataclass(frozen=True)
class Ratio:
    """One contestant against another, at one operation and load."""

    ours: str
    other: str
    operation: str
    in_flight: int
    quantity: str = "per_second"
    """A field or property of `Sample`."""

    @property
    def name(self) -> str:
        """What identifies it, also to a reader."""
        return f"{self.operation}, {self.in_flight} in flight, {self.quantity}: {self.ours} / {self.other}"

    def of(self, samples: Iterable[Sample]) -> list[float]:
        """Its value in each round in which both were measured, without calls that failed."""
        values: dict[str, dict[int, float]] = {self.ours: {}, self.other: {}}
        for sample in samples:
            is_it = (sample.operation, sample.in_flight) == (self.operation, self.in_flight)
            if is_it and sample.contestant in values and not sample.errors:
                values[sample.contestant][sample.round] = getattr(sample, self.quantity)
        ours, others = values[self.ours], values[self.other]
        return [ours[number] / others[number] for number in sorted(ours.keys() & others.keys()) if others[number]]


@dataclass(frozen=True)
class Target:
    """What a ratio should reach."""

    ratio: Ratio
    bound: float
    at_most: bool = False
    """Whether less is better."""

    def is_reached(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value <= self.bound if self.at_most else value >= self.bound


def targets(engines: Sequence[str]) -> list[Target]:
    """What each engine should reach."""
    wanted = []
    for engine in engines:
        ours = f"{OURS}, {engine}"
        wanted += [
            *_engine_targets(ours, engine),
            Target(Ratio(ours, GO.name, "CreateSong", 64), 2.0),
            Target(Ratio(ours, GRPCIO_AIO.name, "CreateSong", 64), 5.0),
            Target(Ratio(ours, GO.name, "ListSongs", 64), 1.0),
            *(Target(Ratio(ours, GO.name, "GetSong", level, "p99_ms"), 1.0, at_most=True) for level in (64, 256)),
            Target(Ratio(ours, f"{ours}: without auth", "GetSong", 64), 0.95),
        ]
    return wanted


def _engine_targets(ours: str, engine: str) -> list[Target]:
    if engine == "envoy":
        return [
            Target(Ratio(ours, GO.name, "GetSong", 64), 1.2),
            Target(Ratio(ours, GO.name, "GetSong", 256), 1.6),
        ]
    return [
        Target(Ratio(ours, f"{ours}: no-op", "GetSong", 64), 0.85),
        Target(Ratio(ours, GRPCIO_AIO.name, "GetSong", 64), 2.0),
    ]


def short_ratios(engines: Sequence[str]) -> list[Ratio]:
    """The few that CI watches."""
    watched = []
    for engine in engines:
        ours = f"{OURS}, {engine}"
        pairs = [(f"{ours}: no-op", "GetSong"), (GRPCIO_AIO.name, "GetSong"), (GO.name, "GetSong")]
        pairs += [(GRPCIO_AIO.name, "CreateSong")]
        watched += [
            Ratio(ours, other, operation, 64, quantity)
            for other, operation in pairs
            # On a machine that is in use the second is steadier by far, but does not see who only waits.
            for quantity in ("per_second", "calls_per_cpu_second")
        ]
    return watched


def measured(ratios: Iterable[Ratio], samples: Sequence[Sample]) -> dict[str, list[float]]:
    """The values of each ratio that was measured more than once, by its name."""
    values = {ratio.name: ratio.of(samples) for ratio in ratios}
    return {name: found for name, found in values.items() if len(found) > 1}


def fallen(values: Mapping[str, Sequence[float]], recorded: Mapping[str, float]) -> list[str]:
    """Says of each ratio that has fallen how far.

    Args:
        values: What was measured, over and over.
        recorded: The median of each ratio at an earlier time.

    Returns:
        A line for each ratio of which three quarters of the values are more than `TOLERANCE` below what is recorded. On
        a machine that is in use values scatter, and the median alone would be chance.
    """
    lines = []
    for name, was in recorded.items():
        if name in values and upper_quartile(values[name]) < was * (1 - TOLERANCE):
            now = median(values[name])
            lines.append(f"{name}: {now:.2f}, and {was:.2f} is recorded: {1 - now / was:.0%} less")
    return lines


def upper_quartile(values: Sequence[float]) -> float:
    """Gives what a quarter of the values is above."""
    return quantiles(values, n=4, method="inclusive")[2]
