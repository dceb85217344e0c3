"""The catalogue is measured at scale: all of it runs, and what it says follows from what was measured."""

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.scale.loading import MONGOIMPORT, SONGCTL, TURNS
from tests.bench.scale.measures import Fact, Timing, Work, percentile, timed
from tests.bench.scale.report import markdown
from tests.bench.scale.results import Results, Verdict, verdicts

NO_PICTURES = "matplotlib comes with `make bench` only"
COLUMNS = "title artist album album_artist duration_seconds year genre style label".split()


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Songs of some words that are common, and of many that are not."""
    path = tmp_path / "real.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        letters = "abcdefghijklmnopqrst"
        for number in range(400):
            word = f"{letters[number // 20]}{letters[number % 20]}moonlight"
            artist = f"Artist {word[:2]}son"
            rows.writerow([f"night of {word}", artist, f"The {word} way", artist, 60 + number, 1999, "Rock", "Pop", ""])
    return path


@pytest.mark.alone
@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason=NO_PICTURES)
def test_it_runs_to_its_end(real: Path, tmp_path: Path) -> None:
    out = tmp_path / "catalogue.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.catalogue", "--songs", "2000", "--seconds", "0.05"),
            *("--from", real, "--out", out),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    results = Results.from_json(json.loads(out.read_text()))
    assert results.sizes == [200, 2000]
    assert {work.rows for work in results.works if work.kind == "import"} == {200, 1800}
    assert all(timing.p50_ms <= timing.p95_ms <= timing.p99_ms for timing in results.timings)
    assert {each.by for each in results.timings} == {"song server", "$text", "skip"}
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "### What should be reached" in done.stdout


@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason=NO_PICTURES)
def test_without_real_songs_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.catalogue", "--from", tmp_path / "none.csv"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "none.csv" in done.stderr
    assert "--from FILE" in done.stderr


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, part) for part in (0.5, 0.95, 0.99, 1.0)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0


def test_kinds_are_asked_in_turn_and_what_warms_up_is_not_counted() -> None:
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return question != "b8"

    few, many = timed(100, "us", {"a": [f"a{n}" for n in range(7)], "b": [f"b{n}" for n in range(10)]}, ask, most=10.0)

    assert asked[:4] == ["a0", "b0", "a1", "b1"]
    assert (few.calls, few.answered, many.calls, many.answered) == (2, 1.0, 5, 0.8)


def test_a_kind_that_takes_long_is_asked_less() -> None:
    (timing,) = timed(100, "us", {"a": list(range(50))}, lambda _: True, most=0.0)

    assert timing.calls == 5


def results_of(p99_ms: float, rate: float) -> Results:
    results = Results({"cores": 2})
    for songs, factor in ((100, 1.0), (1000, 3.0)):
        for kind in (
            *("search: 1 word", "search: misspelt", "page of 50: the first", "page of 50: at 90 %"),
            *("watch: lag with 1 watcher", "export: first songs"),
        ):
            results.add([Timing(songs, kind, "song server", 10, factor, 2 * factor, p99_ms)])
        results.add([Timing(songs, "search: 1 word", "$text", 10, 6 * factor, 7.0, 8.0)])
        results.add([Work(songs, "import", SONGCTL, 100, 100 / rate, 1.0, 2.0, 3.0)])
    for by, seconds in ((SONGCTL, 1.0), (MONGOIMPORT.name, 2.0), (SONGCTL, 1.0), (MONGOIMPORT.name, 4.5)):
        results.add([Work(100, TURNS, by, 100, seconds, 1.0, 2.0, 3.0)])
    results.add([Fact(1000, "export: server's memory up", 60.0, "MB")])
    return results


def found(results: Results, begin: str) -> Verdict:
    return next(each for each in verdicts(results) if each.what.startswith(begin))


def test_what_is_reached_follows_from_what_was_measured() -> None:
    good, bad = results_of(20.0, 20_000), results_of(70.0, 10_000)

    assert found(good, "search, p99").reached
    assert not found(bad, "search, p99").reached
    assert found(good, "search, misspelt").reached
    assert not found(bad, "search, misspelt").reached
    assert found(bad, "watch: lag").reached
    assert found(good, "import").reached
    assert not found(bad, "import").reached
    assert found(good, "import, to mongoimport").measured.startswith("3.00 (in turns: 2.00, 4.50)")
    assert not found(good, "export: server's memory").reached
    assert not found(good, "calls with 1,000 songs, to those with 100: p50").reached
    assert found(good, "calls with 1,000 songs, to those with 100: p99").reached


def test_what_takes_no_time_at_all_does_not_grow() -> None:
    results = results_of(20.0, 20_000)
    kept = [each for each in results.timings if "watch" not in each.kind]
    results.timings = [*kept, *(Timing(songs, "watch: lag", "song server", 9, 0.0, 0.1, 0.1) for songs in (100, 1000))]

    assert ("watch: lag", 1.0, 1.0) in list(results.growths())


def test_it_is_told_and_drawn_as_it_was_kept(tmp_path: Path) -> None:
    drawing = pytest.importorskip("tests.bench.scale.drawing", reason=NO_PICTURES, exc_type=ImportError)
    kept = Results.from_json(json.loads(json.dumps(results_of(20.0, 20_000).as_json())))

    told = markdown(kept)
    drawing.draw(kept, tmp_path / "drawing.png")

    assert (
        "| search: 1 word | 1 / 2 / 20 (10) | 3 / 6 / 20 (10) | 3.00 / 1.00 | $text: 18 / 7 / 8 (10) | 6.0 "
        "| under 25 ms: reached |"
    ) in told
    assert (tmp_path / "drawing.png").stat().st_size > 1000
