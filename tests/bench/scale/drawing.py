"""What was measured, as a picture."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tests.bench.contestants import OURS
from tests.bench.scale.measures import Timing
from tests.bench.scale.reading import BESIDE
from tests.bench.scale.results import Results, bound_of

COLORS = ("#6497b1", "#03396c")
BESIDE_COLOR = "#c0c0c0"


def draw(results: Results, path: Path) -> None:
    """Draws the calls: from the median to the 99th percentile, with a tenth of the songs and with all."""
    kinds = results.kinds()[::-1]
    figure = Figure(figsize=(12, 0.36 * len(kinds) + 1.5), layout="constrained")
    axes = figure.subplots()
    songs = results.sizes[-1]
    beside = {each.kind: each for each in results.timings if each.by in BESIDE and each.songs == songs}
    _draw_ranges(axes, kinds, beside, 0.28, f"{' or '.join(BESIDE)}, {songs:,} songs", BESIDE_COLOR)
    for size, color, place in zip(results.sizes, COLORS[-len(results.sizes) :], (0.0, -0.28), strict=False):
        ours = {kind: timing for kind in kinds if (timing := results.timing(kind, size))}
        _draw_ranges(axes, kinds, ours, place, f"{OURS}, {size:,} songs", color)
    bounds = [(bound, at) for at, kind in enumerate(kinds) if (bound := bound_of(kind))]
    axes.vlines(
        [bound for bound, _ in bounds],
        [at - 0.45 for _, at in bounds],
        [at + 0.45 for _, at in bounds],
        colors="#c03030",
        label="what the 99th percentile should be under",
    )
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set(xscale="log", xlabel="ms, from the median to the 99th percentile", ylim=(-0.7, len(kinds) - 0.3))
    axes.grid(visible=True, axis="x", which="both", alpha=0.25)
    figure.legend(loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=90)


def _draw_ranges(axes: Any, kinds: list[str], timings: dict[str, Timing], place: float, label: str, color: str) -> None:
    found = [(at + place, timings[kind]) for at, kind in enumerate(kinds) if kind in timings]
    rows = [at for at, _ in found]
    lows = [timing.p50_ms for _, timing in found]
    highs = [timing.p99_ms for _, timing in found]
    axes.hlines(rows, lows, highs, colors=color, linewidth=3, label=label)
    axes.plot(highs, rows, "|", color=color, markersize=7)
    axes.plot(lows, rows, "o", color=color, markersize=4)
