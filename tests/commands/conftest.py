"""Runs the commands of `songserver`."""

from collections.abc import Callable
from typing import Any

import click
import click.testing
import pytest
from structlog.testing import capture_logs

import songserver.cli
from songserver import groundwork
from songserver.cli import main
from songserver.config import Settings
from tests.operations.conftest import QUICK

Run = Callable[..., click.testing.Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process, whose logs stay as they are; what it logs is left out."""
    monkeypatch.setattr(songserver.cli, "configure_logs", lambda _: None)
    monkeypatch.setattr(groundwork, "MONGODB_WAIT", 0.0)

    def run(*arguments: str, **options: Any) -> click.testing.Result:
        with capture_logs():
            return click.testing.CliRunner().invoke(main, arguments, **options)

    return run


@pytest.fixture
def database(song_server_settings: Settings) -> tuple[str, ...]:
    """The flags that name the database of `song_server`."""
    uri = song_server_settings.mongodb_uri
    assert uri
    return (
        f"--mongodb-uri={uri.get_secret_value()}",
        f"--mongodb-database={song_server_settings.mongodb_database}",
        *QUICK[:2],
    )


def error_of(result: click.testing.Result) -> str:
    """Gives the one line that a command ended with."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")
