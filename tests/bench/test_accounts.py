"""What accounts cost is measured: all of it runs, and what it says is plausible."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.accounts import Costs
from tests.bench.tables import write_into


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_it_runs_to_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.accounts", "--short"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    numbers = [[float(number) for number in re.findall(r"-?\d+\.?\d*", row[2])] for row in rows[1:]]
    (auth, call_us, *_), (sign_ins,), (revocation_ms, *_) = numbers
    assert 0 < auth < 20
    assert call_us > 0
    assert sign_ins > 0
    assert revocation_ms < 5000


def test_the_table_goes_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- table: accounts -->\nold\n<!-- end -->\nafter\n")
    costs = Costs({"cores": 2}, 300.0, [0.02, 0.03, 0.04], 6.5, [20.0, 30.0, 70.0])

    write_into(page, costs.markdown(), "accounts")

    written = page.read_text()
    assert written.startswith("before\n<!-- table: accounts -->\n\ncores: 2\n\n| what |")
    assert written.endswith("\n\n<!-- end -->\nafter\n")
    assert "| 3.0 % of 300 µs (half of 3 slices 2.5 to 3.5 %) |" in written
    assert "| 6.5 |" in written
    assert "| 30 ms (70 ms the longest of 3) |" in written
