"""songctl, as a person runs it: against a real server, with a session file of its own."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from songclient import Privilege
from songclient.cli import main
from songserver.testing import SongServer

TERMINAL = {"FORCE_COLOR": "1", "COLUMNS": "120", "TERM": "xterm"}
"""An environment in which output goes to a terminal."""
# A shell that starts the tests in the background has SIGINT ignored, and so would every process below.
COMMAND = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from songclient.cli import main; main()",
]
DEADLINE = 60.0
"""Seconds that a process may take."""


@dataclass
class Songctl:
    """Runs songctl, in this process or as one of its own."""

    server: SongServer
    env: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *args: str,
        stdin: str | bytes | None = None,
        env: Mapping[str, str | None] | None = None,
        exit_code: int = 0,
    ) -> Result:
        """Run a command, which must end with an exit code and without a traceback."""
        result = CliRunner().invoke(main, args, input=stdin, env={**self.env, **(env or {})})
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process."""
        return {**os.environ, **self.env}

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start a command as a process of its own, without a terminal."""
        return subprocess.Popen(
            [*COMMAND, *args],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as a process of its own."""
        process = self.start(*args)
        stdout, stderr = process.communicate(text, timeout=DEADLINE)
        return subprocess.CompletedProcess(args, process.returncode, stdout, stderr)

    def error(self, *args: str, exit_code: int = 1, **kwargs: Any) -> str:
        """Run a command that fails, and give what it says."""
        return self(*args, exit_code=exit_code, **kwargs).stderr

    def document(self, *args: str, **kwargs: Any) -> Any:
        """Run a command, and give the JSON document that it prints."""
        return json.loads(self("--json", *args, **kwargs).stdout)

    def lines(self, *args: str) -> list[Any]:
        """Run a command, and give the JSON Lines that it prints."""
        return [json.loads(line) for line in self("--json", *args).stdout.splitlines()]

    def sign_up(self, privilege: Privilege.ValueType) -> tuple[str, str]:
        """Make a user with a privilege, and give the name and the password."""
        return self.server.sign_up(f"user-{secrets.token_hex(4)}", privilege)

    def sign_in(self, privilege: Privilege.ValueType) -> str:
        """Sign in as a fresh user with a privilege, and give the user's name."""
        username, password = self.sign_up(privilege)
        self("login", username, env={"SONGCTL_PASSWORD": password})
        return username

    @property
    def session_files(self) -> list[Path]:
        """The files in the directory of the sessions."""
        directory = Path(self.env["SONGCTL_SESSION"])
        return sorted(directory.glob("*.json")) if directory.exists() else []


@pytest.fixture(autouse=True)
def server_log_elsewhere() -> Iterator[None]:
    """Keep what the server logs, in a thread of this process, out of what songctl prints."""
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture
def songctl(empty_server: SongServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Songctl:
    """songctl with an empty server, signed in as nobody, in an empty directory."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return Songctl(
        empty_server,
        {"SONGCTL_SERVER": empty_server.address, "SONGCTL_SESSION": str(tmp_path / "sessions")},
    )


@pytest.fixture
def editor(songctl: Songctl) -> Songctl:
    """songctl, signed in as an editor."""
    songctl.sign_in(Privilege.PRIVILEGE_EDITOR)
    return songctl


@pytest.fixture
def admin(songctl: Songctl) -> Songctl:
    """songctl, signed in as an admin."""
    songctl.sign_in(Privilege.PRIVILEGE_ADMIN)
    return songctl
