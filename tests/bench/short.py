"""`make bench-short`: a few ratios in short slices, to see whether a change has made the server slower.

    python -m tests.bench.short [--record]

All servers are up, one has a load at a time, and each slice is followed by one of the next server: what slows the
machine down for a while slows all of them down. Fails if a ratio has fallen by more than 20 % below the one in
recorded.json (see `ratios.fallen`); `--record` writes that file instead.
"""

import argparse
import json
import sys
from contextlib import ExitStack
from statistics import median, quantiles

from tests.bench.contestants import GO, GRPCIO_AIO, HERE, OUT, Contestant, engines, ours
from tests.bench.load import Sample, measure
from tests.bench.ratios import Ratio, fallen, measured, short_ratios
from tests.bench.run import ground, say
from tests.bench.servers import running

SONGS = 10_000
CYCLES = 10
SECONDS = 0.6
WARM_UP = 0.25
RECORDED = HERE / "recorded.json"


def measure_in_turn(ratios: list[Ratio]) -> list[Sample]:
    """Measures all that the ratios need, in slices that alternate."""
    names = {name for ratio in ratios for name in (ratio.ours, ratio.other)}
    wanted: list[Contestant] = [one for one in (*ours(), GRPCIO_AIO, GO) if one.name in names]
    samples: list[Sample] = []
    with ground(wanted, SONGS) as place, ExitStack() as stack:
        servers = [stack.enter_context(running(contestant, place.catalogue)) for contestant in place.contestants]
        loads = list(dict.fromkeys((ratio.operation, ratio.in_flight) for ratio in ratios))
        for cycle in range(CYCLES):
            say(f"cycle {cycle + 1} of {CYCLES}")
            for operation, in_flight in loads:
                asked = {
                    name
                    for ratio in ratios
                    if (ratio.operation, ratio.in_flight) == (operation, in_flight)
                    for name in (ratio.ours, ratio.other)
                }
                for server in servers:
                    if server.contestant.name not in asked:
                        continue
                    samples.append(
                        measure(
                            server,
                            place.catalogue,
                            operation,
                            in_flight,
                            seconds=SECONDS,
                            warm_up=WARM_UP,
                            token=place.token,
                            round_number=cycle,
                        )
                    )
    return samples


def main() -> int:
    """Measures, and compares with what is recorded; gives the exit status."""
    parser = argparse.ArgumentParser(description="A few ratios, compared with those recorded.")
    parser.add_argument("--record", action="store_true", help="write what is measured to recorded.json")
    options = parser.parse_args()
    ratios = short_ratios(engines())
    samples = measure_in_turn(ratios)
    if failed := [sample for sample in samples if sample.errors]:
        sys.exit(
            "\n".join(f"{one.contestant}, {one.operation}: {one.errors} failed: {one.first_error}" for one in failed)
        )
    (OUT / "short.json").write_text(json.dumps([sample.as_json() for sample in samples], indent=1))
    values = measured(ratios, samples)
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    for name, found in values.items():
        low, middle, high = quantiles(found, n=4, method="inclusive")
        say(f"{name}: {middle:.2f} (half of it {low:.2f} to {high:.2f}; recorded: {recorded.get(name, 'nothing')})")
    if options.record:
        medians = {name: round(median(found), 3) for name, found in values.items()}
        RECORDED.write_text(json.dumps(medians, indent=2) + "\n")
        return 0
    for name in recorded.keys() - values.keys():
        say(f"recorded, and not measured here: {name}")
    if slower := fallen(values, recorded):
        sys.exit("slower than recorded:\n" + "\n".join(slower))
    return 0


if __name__ == "__main__":
    sys.exit(main())
