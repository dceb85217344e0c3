"""What the benchmark makes of its measurements, and when its gate falls."""

from collections.abc import Sequence

import pytest

from tests.bench.load import Sample
from tests.bench.ratios import Ratio, Target, fallen, measured, short_ratios, targets

FASTER = Ratio("ours", "theirs", "GetSong", 64)


def sample(contestant: str, per_second: float, number: int = 0, *, in_flight: int = 64, errors: int = 0) -> Sample:
    return Sample(
        contestant=contestant,
        operation="GetSong",
        in_flight=in_flight,
        round=number,
        per_second=per_second,
        p50_ms=1.0,
        p99_ms=1000 / per_second,
        server_cpu_us=100.0,
        mongod_cpu_us=50.0,
        load_cpu_us=30.0,
        memory_mb=50.0,
        errors=errors,
    )


def test_a_ratio_is_made_of_two_measurements_of_the_same_round() -> None:
    # The machine is slower from round to round; ours stays twice as fast, but for one slice.
    samples = [sample("theirs", speed, number) for number, speed in enumerate((3000, 2000, 1000))]
    samples += [sample("ours", speed, number) for number, speed in enumerate((6000, 1000, 2000))]
    assert measured([FASTER], samples) == {FASTER.name: [2.0, 0.5, 2.0]}


@pytest.mark.parametrize(
    "samples",
    [
        [sample("ours", 100.0)],
        [sample("ours", 100.0, 0), sample("theirs", 100.0, 1)],
        [sample("ours", 100.0), sample("theirs", 100.0, in_flight=1)],
        [sample("ours", 100.0), sample("theirs", 100.0, errors=1)],
    ],
    ids=["alone", "another round", "another load", "calls failed"],
)
def test_what_was_not_measured_side_by_side_is_no_ratio(samples: Sequence[Sample]) -> None:
    assert FASTER.of(samples) == []


def test_a_latency_is_good_if_it_is_low() -> None:
    slower = Ratio("ours", "theirs", "GetSong", 64, "p99_ms")
    (value,) = slower.of([sample("ours", 500), sample("theirs", 1000)])
    assert value == 2.0
    assert not Target(slower, 1.0, at_most=True).is_reached(value)
    assert Target(FASTER, 1.0).is_reached(value)


def test_the_gate_falls_where_more_than_a_fifth_is_lost() -> None:
    recorded = {"as before": 2.0, "a little less": 2.0, "much less": 2.0, "not measured here": 2.0}
    values = {"as before": [2.1] * 4, "a little less": [1.61] * 4, "much less": [1.59] * 4, "not recorded": [0.1] * 4}
    assert fallen(values, recorded) == ["much less: 1.59, and 2.00 is recorded: 20% less"]


def test_the_gate_does_not_fall_over_a_machine_that_is_in_use() -> None:
    recorded = {"scattered": 2.0, "less in nearly all": 2.0}
    values = {"scattered": [1.0, 1.1, 1.2, 1.9, 2.4], "less in nearly all": [1.0, 1.1, 1.2, 1.3, 2.4]}
    assert fallen(values, recorded) == ["less in nearly all: 1.20, and 2.00 is recorded: 40% less"]


def test_cpu_time_is_that_of_server_and_mongod() -> None:
    assert sample("ours", 1000).calls_per_cpu_second == pytest.approx(1e6 / 150)


@pytest.mark.parametrize("engines", [("grpcio",), ("grpcio", "envoy")])
def test_no_ratio_is_there_twice(engines: Sequence[str]) -> None:
    names = [ratio.name for ratio in (*short_ratios(engines), *(target.ratio for target in targets(engines)))]
    per_list = len(short_ratios(engines)), len(targets(engines))
    assert len(set(names[: per_list[0]])) == per_list[0]
    assert len(set(names[per_list[0] :])) == per_list[1]
