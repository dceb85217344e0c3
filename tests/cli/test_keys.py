"""keys create, list, revoke, and calling with one."""

import time
from datetime import datetime

import pytest

from tests.cli.conftest import TERMINAL, Songctl


def make(songctl: Songctl, *scopes: str, privilege: str = "listener") -> tuple[str, dict[str, str]]:
    """Makes a key; gives its id, and the environment of who calls with it alone."""
    options = [word for scope in scopes for word in ("--scope", scope)]
    made = songctl.document("keys", "create", "nightly import", "--privilege", privilege, *options)
    return made["api_key"]["id"], {"SONGCTL_API_KEY": made["key"], "SONGCTL_SESSION": "/nonexistent"}


def test_a_key_is_shown_once(editor: Songctl) -> None:
    made = editor("keys", "create", "nightly", "--scope", "songs-read", "--scope", "songs-read", "--days", "7")
    key = made.stdout.removesuffix("\n")
    assert key.startswith("song_")
    assert "\n" not in key

    (listed,) = editor.lines("keys", "list")
    assert (listed["name"], listed["privilege"]) == ("nightly", "PRIVILEGE_LISTENER")
    assert listed["scopes"] == ["SCOPE_SONGS_READ"]
    ends = datetime.fromisoformat(listed["expire_time"]).timestamp()
    assert ends == pytest.approx(time.time() + 7 * 86400, abs=60)
    for shown in (editor("keys", "list").stdout, editor("keys", "list", env=TERMINAL).stdout):
        assert "songs-read" in shown
        assert key.split("_")[2] not in shown


def test_a_key_may_do_what_its_scopes_need(admin: Songctl) -> None:
    for scope in ("songs-read", "account-read", "songs-write", "audit-read"):
        admin("keys", "create", scope, "--scope", scope)
    admin("keys", "create", "both", "--scope", "songs-read", "--scope", "songs-write")

    assert {key["name"]: key["privilege"] for key in admin.lines("keys", "list")} == {
        "songs-read": "PRIVILEGE_LISTENER",
        "account-read": "PRIVILEGE_LISTENER",
        "songs-write": "PRIVILEGE_EDITOR",
        "audit-read": "PRIVILEGE_ADMIN",
        "both": "PRIVILEGE_EDITOR",
    }


def test_a_person_is_told_to_keep_it(editor: Songctl) -> None:
    assert "not shown again" in editor("keys", "create", "x", "--scope", "songs-read", env=TERMINAL).stderr


def test_a_key_stands_for_user_name_and_password(editor: Songctl) -> None:
    _, machine = make(editor, "songs-write", "account-read", privilege="editor")
    username = editor.document("whoami")["username"]

    assert editor.document("whoami", env=machine)["username"] == username
    editor("add", "--title", "Orange Horizon", "--artist", "(Val)liam", env=machine)
    imported = editor("import", "-", "--format", "csv", env=machine, stdin="title,artists\nAvalon,(Val)liam\n")
    assert "1 created" in imported.output


def test_a_key_goes_before_the_session(editor: Songctl) -> None:
    _, machine = make(editor, "songs-read")
    key = {"SONGCTL_API_KEY": machine["SONGCTL_API_KEY"]}

    assert "SCOPE_ACCOUNT_READ" in editor.error("whoami", env=key)
    (line,) = editor.error("sessions", "list", env=key).splitlines()
    assert "takes a session" in line
    assert line.endswith("(SONGCTL_API_KEY is set, and goes before the session of `songctl login`)")
    # But for that of which the session is the point.
    editor("logout", env=key)
    assert editor.session_files == []


def test_a_revoked_key_is_refused(editor: Songctl) -> None:
    key_id, machine = make(editor, "account-read")
    editor("keys", "revoke", key_id)

    assert editor("keys", "list").stdout == ""
    (line,) = editor.error("whoami", env=machine).splitlines()
    assert line.startswith("songctl: SONGCTL_API_KEY is refused (")
    assert line.endswith("unset it and run `songctl login`")
    assert editor.error("keys", "revoke", key_id).endswith("(`songctl keys list`)\n")


def test_what_is_wrong_with_a_key_is_told(editor: Songctl) -> None:
    assert "'songs-read', 'songs-write'" in editor.error("keys", "create", "x", "--scope", "all", exit_code=2)
    assert "--scope" in editor.error("keys", "create", "x", exit_code=2)
    assert "1<=x<=365" in editor.error("keys", "create", "x", "--scope", "songs-read", "--days", "366", exit_code=2)
    assert "ask for less" in editor.error("keys", "create", "x", "--scope", "songs-read", "--privilege", "admin")


def test_who_is_not_signed_in_hears_of_keys(songctl: Songctl) -> None:
    assert "SONGCTL_API_KEY" in songctl.error("whoami")
