"""What is installed is what was locked: by version and hash, whole, and as pyproject.toml wants it.

All of this can be looked up without a network. Whether somebody has found a hole in a version since cannot: see
docs/security.md.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
OURS = {"song-api", "song-client", "song-server"}
"""The distributions of this repository, which are installed from it."""
HASHED = re.compile(r"(?P<pin>\S+==\S+(?: ; .+?)?)(?: --hash=sha256:[0-9a-f]{64})+")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NODE_LOCKS = [
    lock
    for folder in (".ci", "clients/*", "tests/bench/peers/*")
    for lock in sorted(ROOT.glob(f"{folder}/package-lock.json"))
]


def entries(lock: Path) -> list[str]:
    """What a lock has, an entry for a package."""
    lines = lock.read_text().replace(" \\\n   ", "").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins(lock: Path) -> dict[str, str]:
    """The versions of a lock that are for this machine, by name."""
    wanted = [Requirement(entry.partition(" --hash")[0]) for entry in entries(lock)]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in wanted
        if one.marker is None or one.marker.evaluate()
    }


def named(group: str) -> Iterator[str]:
    """What a group of pyproject.toml names, with the groups that it includes."""
    for one in PROJECT["dependency-groups"][group]:
        if isinstance(one, dict):
            yield from named(one["include-group"])
        else:
            yield one


def runs() -> list[str]:
    client = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text())
    return [*PROJECT["project"]["dependencies"], *client["project"]["dependencies"], *named("build")]


NAMED = {
    "run": runs(),
    "dev": [*runs(), *named("dev")],
    "envoy": list(named("envoy")),
    "bench": list(named("bench")),
    "audit": list(named("audit")),
}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_each_pin_has_hashes_and_no_address(lock: Path) -> None:
    assert [entry for entry in entries(lock) if not HASHED.fullmatch(entry)] == []
    assert "://" not in lock.read_text()


def test_no_two_locks_differ() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in pins(lock).items():
            versions.setdefault(name, set()).add(version)

    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def needs(name: str, extras: set[str]) -> list[Requirement]:
    """What a package says that it needs; nothing of one that is not installed."""
    try:
        said = [Requirement(text) for text in distribution(name).requires or []]
    except PackageNotFoundError:
        return []
    return [one for one in said if one.marker is None or any(map(one.marker.evaluate, extra_markers(extras)))]


def extra_markers(extras: set[str]) -> list[dict[str, str]]:
    return [{"extra": extra} for extra in ("", *extras)]


@pytest.mark.parametrize("group", NAMED)
def test_all_that_is_named_is_locked_with_all_that_it_needs(group: str) -> None:
    """In versions that suit everything that needs them."""
    locked = pins(ROOT / "requirements" / f"{group}.txt")
    waiting = [("pyproject.toml", Requirement(text)) for text in NAMED[group]]
    waiting = [(by, wanted) for by, wanted in waiting if wanted.marker is None or wanted.marker.evaluate()]
    followed: set[tuple[str, frozenset[str]]] = set()
    wrong = []
    while waiting:
        by, wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in OURS:
            continue
        if name not in locked or not wanted.specifier.contains(locked[name], prereleases=True):
            wrong.append(f"{by} needs {wanted}, and locked is {locked.get(name)}")
        key = (name, frozenset(wanted.extras))
        if key not in followed:
            followed.add(key)
            waiting += [(name, one) for one in needs(name, wanted.extras)]

    assert wrong == []
    assert len(followed) > len(NAMED[group]) // 2


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_what_is_installed_is_what_is_locked(lock: str) -> None:
    locked = pins(ROOT / "requirements" / f"{lock}.txt")

    assert {name: distribution(name).version for name in locked} == locked


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=lambda lock: lock.parent.name)
def test_each_package_of_node_has_a_hash(lock: Path) -> None:
    packages: dict[str, Any] = json.loads(lock.read_text())["packages"]

    assert len(packages) > 1
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
