"""What runs the commands of README and docs, and compares what they print."""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from songserver.auth.keys import make_key
from tests.conftest import ENGINE

BIN = Path(sys.executable).parent
FIRST_KEY = "20260101T000000Z"
SEPARATOR = "--8<--"


def blocks(language: str, text: str) -> list[str]:
    """Gives the blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Live(NamedTuple):
    """A server as a newcomer has it."""

    address: str
    data: Path
    said: str


@contextmanager
def serving(engine: str, data: Path) -> Iterator[Live]:
    """Runs a server on an engine, with its data in a directory."""
    # As if it had been started before: a key so new cannot be rotated yet.
    (data / "keys").mkdir(mode=0o700, parents=True)
    make_key(data / "keys", FIRST_KEY)
    command = [str(BIN / "songserver"), "serve", "--listen", "127.0.0.1:0", "--data-directory", str(data)]
    environment = {**os.environ, "SONGSERVER_ENGINE": engine}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stdout
        said = ""
        while "listening on" not in said:
            line = server.stdout.readline()
            assert line, "the server did not start"
            said += line
        try:
            yield Live(said.split()[-1], data, said)
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(ENGINE, tmp_path_factory.mktemp("home") / "songserver") as live:
        yield live


def as_here(text: str, live: Live) -> str:
    return text.replace("localhost:50051", live.address).replace("~/.local/share/songserver", str(live.data))


def environment(live: Live) -> Mapping[str, str]:
    return {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "SONGSERVER_DATA_DIRECTORY": str(live.data),
        "SONGCTL_SERVER": live.address,
        "SONGCTL_SESSION": str(live.data / "songctl-session.json"),
    }


def assert_prints(wanted: str, got: str) -> None:
    """Compares line by line, as doctest does: `...` stands for anything."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(wanted, got, flags), f"the page says:\n{wanted}\nit printed:\n{got}"


def run_commands(console: Sequence[str], live: Live, directory: Path, at_least: int = 12) -> None:
    """Runs all commands of console blocks in one shell, and compares what each prints."""
    session = as_here("".join(console), live)
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE)
    assert len(commands) >= at_least
    script = "".join(f"{command}\necho '{SEPARATOR}'\n" for command, _ in commands)
    done = subprocess.run(
        ["bash"], input=script, env=environment(live), cwd=directory, timeout=90, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed = done.stdout.split(f"{SEPARATOR}\n")
    for (_, wanted), got in zip(commands, printed[:-1], strict=True):
        assert_prints(wanted, got.removesuffix("\n") + "\n" if got else "")
