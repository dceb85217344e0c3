"""What was measured, for people: tables in Markdown, also for docs/speed.md, and a drawing."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from tests.bench.contestants import OPERATIONS, OURS
from tests.bench.load import Sample
from tests.bench.ratios import Target
from tests.bench.tables import table, verdict

MEMORY_AT_REST = 80.0
"""MB that the largest process of our server may hold at rest."""
START = 1.0
"""Seconds that our server may take to start, with MongoDB there."""
COLORS = {1: "#b3cde3", 64: "#6497b1", 256: "#03396c"}


@dataclass(frozen=True)
class Start:
    """One start of a contestant."""

    contestant: str
    seconds: float
    """To the first answer, with MongoDB there."""
    memory_mb: float
    """At rest, of all its processes: what they share counts once (PSS)."""
    largest_mb: float
    """Of its largest process (PSS)."""
    largest_rss_mb: float
    """The same with all that is shared (RSS, as ps and top show it)."""


@dataclass(frozen=True)
class Results:
    """All that a run of the benchmark has measured."""

    machine: dict[str, Any]
    """What it ran on, and how."""
    skipped: dict[str, str]
    starts: list[Start]
    samples: list[Sample]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Results":
        """Reads speed.json."""
        return cls(
            data["machine"],
            data["skipped"],
            [Start(**start) for start in data["starts"]],
            [Sample(**sample) for sample in data["samples"]],
        )

    def as_json(self, targets: Sequence[Target]) -> dict[str, Any]:
        """Gives speed.json: all of it, and the ratios that follow from it."""
        ratios = [
            {"name": target.ratio.name, "bound": target.bound, "at_most": target.at_most, "rounds": values}
            for target in targets
            if (values := target.ratio.of(self.samples))
        ]
        return {**asdict(self), "ratios": ratios}


def markdown(results: Results, targets: Sequence[Target]) -> str:
    """Gives everything as Markdown."""
    facts = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    parts = [facts, "### What should be reached", _targets_table(results, targets)]
    for operation in OPERATIONS:
        if any(sample.operation == operation for sample in results.samples):
            parts += [f"### {operation}", _operation_table(results.samples, operation)]
    parts += ["### Memory and start", _starts_table(results)]
    parts += [f"Skipped: {name}, which needs {missing}." for name, missing in results.skipped.items()]
    return "\n\n".join(parts)


def draw(results: Results, path: Path) -> None:
    """Draws calls a second and 99th percentiles, a row an operation."""
    operations = [name for name in OPERATIONS if any(sample.operation == name for sample in results.samples)]
    rows = [len({sample.contestant for sample in results.samples if sample.operation == name}) for name in operations]
    figure = Figure(figsize=(15, 0.55 * sum(rows) + len(rows)), layout="constrained")
    axes = figure.subplots(len(operations), 2, squeeze=False, height_ratios=rows)
    for row, operation in zip(axes, operations, strict=True):
        _draw_bars(row[0], results.samples, operation, "per_second")
        row[0].set(title=f"{operation}: calls a second (more is better)")
        _draw_bars(row[1], results.samples, operation, "p99_ms")
        row[1].set(title=f"{operation}: 99th percentile in ms (less is better)", xscale="log", yticklabels=[])
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=len(COLORS))
    figure.savefig(path, dpi=110)


def _draw_bars(axes: Any, samples: Iterable[Sample], operation: str, quantity: str) -> None:
    mine = [sample for sample in samples if sample.operation == operation]
    names = list(dict.fromkeys(sample.contestant for sample in mine))[::-1]
    levels = sorted({sample.in_flight for sample in mine})
    height = 0.8 / len(levels)
    for index, level in enumerate(levels):
        places = [place - height * (index - (len(levels) - 1) / 2) for place in range(len(names))]
        values = [_median(mine, name, operation, level, quantity) or 0 for name in names]
        bars = axes.barh(places, values, height, label=f"{level} in flight", color=COLORS.get(level))
        axes.bar_label(bars, [f"{value:,.{0 if value >= 100 else 1}f}" for value in values], padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), names)
    axes.margins(x=0.12)
    axes.grid(visible=True, axis="x", alpha=0.3)


def _targets_table(results: Results, targets: Sequence[Target]) -> str:
    rows = []
    for target in targets:
        values = target.ratio.of(results.samples)
        wanted = f"{'at most' if target.at_most else 'at least'} {target.bound:g}"
        if not values:
            rows.append((target.ratio.name, wanted, "", "not measured"))
            continue
        value = median(values)
        spread = f"{value:.2f} ({min(values):.2f} to {max(values):.2f})"
        rows.append((target.ratio.name, wanted, spread, verdict(reached=target.is_reached(value))))
    for name in dict.fromkeys(start.contestant for start in results.starts):
        if name.startswith(OURS) and ":" not in name:
            starts = [start for start in results.starts if start.contestant == name]
            memory, seconds = median(one.largest_mb for one in starts), median(one.seconds for one in starts)
            at_rest = (f"memory of a worker at rest: {name}", f"under {MEMORY_AT_REST:g} MB", f"{memory:.0f} MB")
            start_time = (f"start with MongoDB there: {name}", f"under {START:g} s", f"{seconds:.2f} s")
            rows += [
                (*at_rest, verdict(reached=memory < MEMORY_AT_REST)),
                (*start_time, verdict(reached=seconds < START)),
            ]
    return table(("what", "wanted", "measured: median (rounds)", ""), rows)


def _operation_table(samples: Sequence[Sample], operation: str) -> str:
    mine = [sample for sample in samples if sample.operation == operation]
    levels = sorted({sample.in_flight for sample in mine})
    head = ["server", *(f"{level} in flight" for level in levels)]
    head += [f"CPU µs a call at {level}: server + mongod" for level in levels]
    rows = []
    for name in dict.fromkeys(sample.contestant for sample in mine):
        row = [name]
        row += [_cell(mine, name, operation, level) for level in levels]
        row += [_cpu_cell(mine, name, operation, level) for level in levels]
        rows.append(tuple(row))
    return "Calls a second · 50th / 99th percentile in ms.\n\n" + table(tuple(head), rows)


def _cell(samples: Sequence[Sample], name: str, operation: str, level: int) -> str:
    errors = sum(one.errors for one in samples if (one.contestant, one.in_flight) == (name, level))
    values = [_median(samples, name, operation, level, quantity) for quantity in ("per_second", "p50_ms", "p99_ms")]
    if None in values:
        return ""
    per_second, p50, p99 = values
    failed = f"; {errors} calls failed" if errors else ""
    return f"**{per_second:,.0f}** · {p50:.3g} / {p99:.3g}{failed}"


def _cpu_cell(samples: Sequence[Sample], name: str, operation: str, level: int) -> str:
    server, mongod = (_median(samples, name, operation, level, one) for one in ("server_cpu_us", "mongod_cpu_us"))
    return "" if server is None or mongod is None else f"{server:,.0f} + {mongod:,.0f}"


def _starts_table(results: Results) -> str:
    rows = []
    for name in dict.fromkeys(start.contestant for start in results.starts):
        starts = [start for start in results.starts if start.contestant == name]
        under_load = max((sample.memory_mb for sample in results.samples if sample.contestant == name), default=0.0)
        at_rest, largest, rss = (
            median(getattr(start, quantity) for start in starts)
            for quantity in ("memory_mb", "largest_mb", "largest_rss_mb")
        )
        seconds = median(start.seconds for start in starts)
        rows.append((name, f"{at_rest:.0f}", f"{largest:.0f} ({rss:.0f})", f"{under_load:.0f}", f"{seconds:.2f}"))
    head = ("server", "MB at rest", "MB of its largest process (RSS)", "MB under load, the most", "start, s")
    return table(head, rows)


def _median(samples: Iterable[Sample], name: str, operation: str, level: int, quantity: str) -> float | None:
    wanted = (name, operation, level)
    found = [getattr(one, quantity) for one in samples if (one.contestant, one.operation, one.in_flight) == wanted]
    return median(found) if found else None
