"""songctl as a process of its own: exit codes, pipes, signals, terminals, shells."""

import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from songclient import Privilege, Session
from songclient.cli.session_file import SessionFile
from songserver.config import Settings
from songserver.testing import running_server
from tests.cli.conftest import COMMAND, DEADLINE, Songctl

ENDLESS = "title,artist\n" + "".join(f"{n:0120},Ann\n" for n in range(4000))
"""Rows of which a pipe holds so few that writing them all ends after the server's first answers: the import is on."""


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A directory with the command songctl, for a shell's PATH."""
    script = tmp_path / "bin" / "songctl"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {COMMAND[0]} -c "{COMMAND[2]}" "$@"\n')
    script.chmod(0o755)
    return script.parent


def in_bash(songctl: Songctl, shell: Path, script: str) -> subprocess.CompletedProcess[str]:
    env = songctl.environment
    env["PATH"] = f"{shell}:{env['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_exit_codes_tell_how_it_went(editor: Songctl) -> None:
    assert editor.run("whoami").returncode == 0
    assert editor.run("show", "5").returncode == 1
    assert editor.run("shwo", "5").returncode == 2
    assert editor.run("import", "-", "--format", "csv", text="title,artist\nA,\n").returncode == 3


def test_a_server_that_is_not_there_is_told_in_a_line(editor: Songctl) -> None:
    result = editor.run("--server", "127.0.0.1:1", "login", "ann", "--password-stdin", text="x\n")
    assert result.returncode == 1
    assert "127.0.0.1:1" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_terminal_the_password_is_not_asked_for(songctl: Songctl) -> None:
    result = songctl.run("login", "ann")
    assert result.returncode == 2
    assert "use --password-stdin or SONGCTL_PASSWORD" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_password_is_not_shown_where_it_is_typed(songctl: Songctl) -> None:
    username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "login", username],
        env=songctl.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"Password:" not in shown:
        shown += os.read(ours, 1024)
    os.write(ours, password.encode() + b"\n")
    try:
        while chunk := os.read(ours, 1024):
            shown += chunk
    except OSError:
        pass  # How Linux says that the other side is closed.
    os.close(ours)
    assert process.wait(DEADLINE) == 0
    assert username.encode() in shown
    assert password.encode() not in shown


def test_a_closed_pipe_is_silent(editor: Songctl, shell: Path) -> None:
    rows = "".join(f"{'x' * 400} {n},Ann\n" for n in range(1000))
    Path("many.csv").write_text("title,artist\n" + rows)
    editor("import", "many.csv")
    script = "songctl list --all | head -1; echo ${PIPESTATUS[0]}"
    result = in_bash(editor, shell, script)
    first, status = result.stdout.splitlines()
    assert first.startswith("x" * 400)
    assert status == "141"
    assert result.stderr == ""


@pytest.fixture
def importing(song_server_settings: Settings, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", ExitStack]]:
    """A songctl in the midst of an import, and its own server: one that is cut off may write a little longer."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server(song_server_settings))
        songctl = Songctl(
            server,
            {"SONGCTL_SERVER": server.address, "SONGCTL_SESSION": str(tmp_path / "sessions")},
        )
        songctl.sign_in(Privilege.PRIVILEGE_EDITOR)
        process = songctl.start("import", "-", "--format", "csv")
        assert process.stdin is not None
        process.stdin.write(ENDLESS)
        process.stdin.flush()
        yield process, stack


def test_control_c_ends_an_import_cleanly(importing: tuple["subprocess.Popen[str]", ExitStack]) -> None:
    process, _ = importing
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert "rows read: " in stdout
    assert "Traceback" not in stderr


def test_an_import_that_loses_its_server_says_how_far_it_came(
    importing: tuple["subprocess.Popen[str]", ExitStack],
) -> None:
    process, server = importing
    server.close()
    stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "rows read: " in stdout
    assert stderr.startswith("songctl: ")
    assert len(stderr.splitlines()) == 1


def near_its_end(songctl: Songctl) -> tuple[SessionFile, Session]:
    """Make the session that is kept one that the next command must renew."""
    kept = SessionFile(songctl.session_files[0].parent, songctl.server.address)
    session = kept.load()
    assert session is not None
    session.access_token_expire_time.GetCurrentTime()
    session.access_token = "over"
    kept.save(session)
    return kept, session


def test_a_long_command_renews_the_session_at_once_and_others_go_on(editor: Songctl) -> None:
    kept, before = near_its_end(editor)
    # It has got nothing to send yet.
    process = editor.start("import", "-", "--format", "csv")
    deadline = time.monotonic() + DEADLINE
    while kept.load() == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    near_its_end(editor)
    assert editor.run("whoami").returncode == 0
    process.communicate("title,artist\nA,Ann\n", timeout=DEADLINE)
    assert process.returncode == 0


def test_a_song_that_changed_while_it_was_asked_about_is_not_removed(editor: Songctl) -> None:
    song = editor.document("add", "--title", "Nordlicht", "--artist", "Ann")
    process = editor.start("rm", song["id"])
    assert process.stderr is not None
    shown = ""
    while not shown.endswith("?"):
        shown += process.stderr.read(1)
    editor("edit", song["id"], "--label", "Dewtone")
    _, stderr = process.communicate("y\n", timeout=DEADLINE)
    assert process.returncode == 1
    assert "has changed" in stderr
    editor("show", song["id"])


def test_many_at_once_renew_a_session_that_is_about_to_end(editor: Songctl) -> None:
    kept, session = near_its_end(editor)
    processes = [editor.start("whoami") for _ in range(4)]
    for process in processes:
        _, stderr = process.communicate(timeout=DEADLINE)
        assert (process.returncode, stderr) == (0, "")
    renewed = kept.load()
    assert renewed is not None
    assert renewed.refresh_token != session.refresh_token


def test_bash_completes_the_commands(songctl: Songctl, shell: Path) -> None:
    script = """
        eval "$(songctl completion bash)"
        COMP_WORDS=(songctl users set-p) COMP_CWORD=2
        _songctl_completion songctl
        echo "${COMPREPLY[@]}"
    """
    result = in_bash(songctl, shell, script)
    assert result.stdout == "set-privilege\n"


@pytest.mark.parametrize(("name", "mark"), [("zsh", "#compdef songctl"), ("fish", "complete")])
def test_other_shells_get_their_script(songctl: Songctl, name: str, mark: str) -> None:
    script = songctl("completion", name).stdout
    assert mark in script
    if binary := shutil.which(name):
        subprocess.run([binary, "-n"], input=script, text=True, check=True, timeout=DEADLINE)
