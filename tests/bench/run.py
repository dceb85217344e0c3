"""What the long and the short benchmark share: who can run here, and everything that has to be there before."""

import os
import platform
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from tests.bench.contestants import OUT, Contestant, ours
from tests.bench.load import build_loadgen, sign_in
from tests.bench.served import Catalogue, catalogue
from tests.bench.servers import running


@dataclass(frozen=True)
class Ground:
    """Where a benchmark runs."""

    catalogue: Catalogue
    token: str
    contestants: tuple[Contestant, ...]
    """Those who can run here."""
    skipped: dict[str, str]
    """Those who cannot, with what they miss."""


@contextmanager
def ground(wanted: Iterable[Contestant], songs: int) -> Iterator[Ground]:
    """Builds what is to be measured, and the catalogue that it serves."""
    begin()
    build_loadgen()
    skipped = {}
    able = []
    for contestant in wanted:
        if missing := contestant.missing():
            skipped[contestant.name] = missing
            say(f"skipped: {contestant.name}, which needs {missing}")
        else:
            contestant.prepare()
            able.append(contestant)
    say(f"a catalogue of {songs} songs")
    with catalogue(songs) as filled:
        with running(ours()[0], filled) as server:
            token = sign_in(server.address)
        yield Ground(filled, token, tuple(able), skipped)


def begin() -> None:
    """Has what is started here end here, also when make is interrupted or a CI job is cancelled."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    OUT.mkdir(exist_ok=True)


def machine() -> dict[str, str | int]:
    """What it runs on, and when."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    models = [line.partition(": ")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count() or 0,
        "Python": platform.python_version(),
    }


def say(text: str) -> None:
    """Tells who waits how far it is."""
    click.echo(text)
