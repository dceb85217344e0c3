"""How many workers there are by default."""

import os
from pathlib import Path

import pytest

from songserver import cores
from songserver.cores import available_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "CPU_MAX", tmp_path / "cpu.max")


@pytest.mark.parametrize(
    ("limit", "count"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8)],
)
def test_a_container_has_the_cores_that_its_limit_lets_it_use(tmp_path: Path, limit: str, count: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit}\n")

    assert available_cores() == count


def test_without_a_container_it_is_those_of_the_process() -> None:
    assert available_cores() == 8
