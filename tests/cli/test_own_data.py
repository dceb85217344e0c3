"""export-me, delete-me."""

import json
import stat
from pathlib import Path

import pytest

from songclient import Privilege
from songserver.testing import PASSWORD
from tests.cli.conftest import TERMINAL, Songctl


def test_all_that_is_kept_is_written(editor: Songctl) -> None:
    editor("add", "--title", "Orange Horizon", "--artist", "(Val)liam")
    editor("keys", "create", "nightly", "--scope", "songs-read")
    lines = [json.loads(line) for line in editor("export-me").stdout.splitlines()]
    kinds = [kind for line in lines for kind in line]
    assert list(dict.fromkeys(kinds)) == ["user", "session", "api_key", "audit_event", "song"]
    assert lines[-1]["song"]["title"] == "Orange Horizon"


def test_a_file_is_for_its_user_alone(editor: Songctl) -> None:
    path = Path("me.jsonl")
    path.write_text("before")
    path.chmod(0o644)
    told = editor("export-me", str(path), env=TERMINAL).stderr
    lines = path.read_text().splitlines()
    assert json.loads(lines[0])["user"]["id"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert told == f"{len(lines)} lines written\n"
    assert list(Path.cwd().iterdir()) == [path.absolute()]


def test_an_export_that_fails_leaves_the_file_as_it_was(editor: Songctl) -> None:
    Path("me.jsonl").write_text("before")
    key = editor("keys", "create", "nightly", "--scope", "songs-read").stdout.strip()
    assert "takes a session" in editor.error("export-me", "me.jsonl", env={"SONGCTL_API_KEY": key})
    assert [(path.name, path.read_text()) for path in Path.cwd().iterdir()] == [("me.jsonl", "before")]
    assert "nowhere" in editor.error("export-me", "nowhere/me.jsonl")


def test_an_account_is_removed_after_a_question(songctl: Songctl) -> None:
    username = songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    assert f"Remove the account {username} for good?" in songctl.error("delete-me", stdin="n\n")
    songctl("whoami")
    songctl("delete-me", stdin=f"y\n{PASSWORD}\n")
    assert songctl.session_files == []
    assert "wrong" in songctl.error("login", username, env={"SONGCTL_PASSWORD": PASSWORD})


def test_an_account_is_removed_without_a_terminal(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    (line,) = songctl.error("delete-me", "--yes", "--password-stdin", stdin="wrong horse\n").splitlines()
    assert "songctl login" not in line
    songctl("whoami")
    songctl("delete-me", "--yes", env={"SONGCTL_PASSWORD": PASSWORD})
    assert songctl.session_files == []


@pytest.mark.parametrize("command", ["export-me", "delete-me"])
def test_who_is_not_signed_in_is_told(songctl: Songctl, command: str) -> None:
    assert "songctl login" in songctl.error(command)
