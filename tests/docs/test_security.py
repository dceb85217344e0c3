"""docs/security.md names a test for each promise, and each one is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
TARGET = re.compile(r"`make (\w+)`")


def rows() -> list[str]:
    """The rows of all tables, without their heads."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    return [line for line in lines if not re.match(r"\| (---|promise|found by)", line)]


def test_each_promise_is_held_by_a_test() -> None:
    assert len(rows()) > 20
    assert [row for row in rows() if not TEST.search(row.rpartition(" | ")[2])] == []


def test_each_test_that_is_named_is_there() -> None:
    named = set(TEST.findall(PAGE))

    assert {f"{file}::{name}" for file, name in named if not is_there(file, name)} == set()


def is_there(file: str, name: str) -> bool:
    path = ROOT / "tests" / file
    return path.is_file() and re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE) is not None


def test_whatever_looks_like_a_test_is_named_as_one() -> None:
    """With a slip of the pen it would not be looked for."""
    assert len(TEST.findall(PAGE)) == PAGE.count("::")


def test_each_make_target_that_is_named_is_there_and_run_in_ci() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()

    for target in set(TARGET.findall(PAGE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        assert f"make -s {target}" in ci, target
