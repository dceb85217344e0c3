"""What was measured, for people: tables in Markdown."""

from collections.abc import Iterable

from tests.bench.scale.measures import Fact, Timing
from tests.bench.scale.reading import BESIDE
from tests.bench.scale.results import Results, bound_of, verdicts
from tests.bench.tables import table, verdict


def markdown(results: Results) -> str:
    """Gives everything as Markdown."""
    facts = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    parts = [facts, "### What should be reached", _verdicts_table(results)]
    parts += ["### Calls", _calls_table(results), "### Songs in and out", _works_table(results)]
    parts += ["### Memory and sizes", _facts_table(results)]
    if results.skipped:
        parts.append(f"Skipped: {results.skipped}.")
    return "\n\n".join(parts)


def _verdicts_table(results: Results) -> str:
    rows = [
        (*each[:3], "not measured" if each.reached is None else verdict(reached=each.reached))
        for each in verdicts(results)
    ]
    return table(("what", "wanted", "measured", ""), rows)


def _calls_table(results: Results) -> str:
    sizes = results.sizes
    songs = sizes[-1]
    growths = {kind: f"{median:.2f} / {high:.2f}" for kind, median, high in results.growths()}
    rows = []
    for kind in results.kinds():
        row = [kind]
        row += [_latency(results.timing(kind, size)) for size in sizes]
        row.append(growths.get(kind, ""))
        ours, beside = results.timing(kind, songs), _beside(results.timings, kind, songs)
        row.append(f"{beside.by}: {_latency(beside)}" if beside else "")
        row.append(f"{beside.p50_ms / ours.p50_ms:.1f}" if ours and beside else "")
        bound = bound_of(kind)
        row.append(f"under {bound:g} ms: {verdict(reached=ours.p99_ms < bound)}" if ours and bound else "")
        rows.append(tuple(row))
    head = ["kind", *(f"{size:,} songs" for size in sizes), "growth of p50 / p99"]
    head += [f"beside it, {songs:,} songs", "its p50 to ours", "p99 wanted"]
    explained = (
        "50th / 95th / 99th percentile in ms; in brackets the number of calls, one at a time, and which part of them "
        "found something where that is not all."
    )
    return f"{explained}\n\n{table(tuple(head), rows)}"


def _beside(timings: Iterable[Timing], kind: str, songs: int) -> Timing | None:
    return next((each for each in timings if (each.kind, each.songs) == (kind, songs) and each.by in BESIDE), None)


def _latency(timing: Timing | None) -> str:
    if timing is None:
        return ""
    found = "" if timing.answered == 1 else f", {timing.answered:.0%} found"
    return f"{timing.p50_ms:.3g} / {timing.p95_ms:.3g} / {timing.p99_ms:.3g} ({timing.calls}{found})"


def _works_table(results: Results) -> str:
    rows = [
        (
            work.kind,
            work.by,
            f"{work.songs:,}",
            f"{work.rows:,}",
            f"{work.seconds:.1f}",
            f"**{work.per_second:,.0f}**",
            f"{work.client_us:,.0f} + {work.server_us:,.0f} + {work.mongod_us:,.0f}",
        )
        for work in results.works
    ]
    head = (
        "what",
        "by",
        "songs there are then",
        "rows",
        "s",
        "rows a second",
        "CPU µs a row: client + server + mongod",
    )
    return table(head, rows)


def _number(fact: Fact) -> str:
    return f"{fact.value:,.{0 if float(fact.value).is_integer() else 1}f} {fact.unit}".strip()


def _facts_table(results: Results) -> str:
    sizes = sorted({fact.songs for fact in results.facts})
    values = {(fact.kind, fact.songs): _number(fact) for fact in results.facts}
    kinds = dict.fromkeys(fact.kind for fact in results.facts)
    rows = [(kind, *(values.get((kind, size), "") for size in sizes)) for kind in kinds]
    return table(("what", *(f"{size:,} songs" for size in sizes)), rows)
