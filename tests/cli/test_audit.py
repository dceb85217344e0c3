"""audit: who has done what."""

import pytest

from songclient import Privilege
from tests.cli.conftest import TERMINAL, Songctl


@pytest.fixture
def ann(admin: Songctl) -> str:
    """A user of whom the log has: made, privilege set twice, disabled."""
    name, _ = admin.sign_up(Privilege.PRIVILEGE_LISTENER)
    for privilege in ("editor", "listener"):
        admin("users", "set-privilege", name, privilege)
    return str(admin.document("users", "disable", name)["id"])


def actions(songctl: Songctl, *args: str) -> list[str]:
    return [event["action"] for event in songctl.lines("audit", *args)]


def test_the_latest_comes_first(admin: Songctl, ann: str) -> None:
    me = admin.document("whoami")["id"]
    first, *_ = events = admin.lines("audit")
    assert (first["action"], first["actor_id"], first["target_id"]) == ("DisableUser", me, ann)
    assert [int(event["sequence"]) for event in events] == list(range(len(events), 0, -1))
    row = admin("audit").stdout.splitlines()[1].split("\t")
    assert row[2:6] == ["SetPrivilege", me, ann, "privilege=PRIVILEGE_LISTENER"]


def test_it_is_filtered(admin: Songctl, ann: str) -> None:
    me = admin.document("whoami")
    assert actions(admin, "--by", me["username"]) == actions(admin, "--by", me["id"]) == [
        "DisableUser", "SetPrivilege", "SetPrivilege",
    ]  # fmt: skip
    name = admin.document("users", "show", ann)["username"]
    assert len(actions(admin, "--on", ann)) == len(actions(admin, "--on", name)) == 4
    assert actions(admin, "--on", ann, "--action", "SetPrivilege") == ["SetPrivilege"] * 2
    assert actions(admin, "--until", "2026-01-31") == []
    latest = admin.lines("audit")[0]["time"]
    assert actions(admin, "--since", latest) == ["DisableUser"]
    assert actions(admin, "--until", latest, "--on", ann)[:1] == ["SetPrivilege"]


def test_a_long_log_is_cut(admin: Songctl, ann: str) -> None:
    assert len(actions(admin, "--limit", "2", "--on", ann)) == 2
    assert len(actions(admin, "--all", "--limit", "2", "--on", ann)) == 4
    assert "there are more" in admin("audit", "--limit", "3", "--on", ann, env=TERMINAL).stderr
    assert "there are more" not in admin("audit", "--limit", "4", "--on", ann, env=TERMINAL).stderr


def test_a_terminal_shows_names(admin: Songctl, ann: str) -> None:
    me = admin.document("whoami")
    name = admin.document("users", "show", ann)["username"]
    shown = admin("audit", env=TERMINAL).stdout
    assert me["username"] in shown
    assert name in shown
    assert ann not in shown
    assert "operator" in shown
    # Of who is gone the id is all there is.
    admin("users", "rm", "--yes", name)
    assert ann in admin("audit", env=TERMINAL).stdout


def test_what_cannot_be_read_is_told(admin: Songctl) -> None:
    assert "2026-01-31T15:04:05Z" in admin.error("audit", "--since", "yesterday", exit_code=2)
    assert "nobody" in admin.error("audit", "--by", "nobody")
    assert "nothing-of-that-name" in admin.error("audit", "--on", "nothing-of-that-name")


def test_the_log_is_for_admins(editor: Songctl) -> None:
    assert "PRIVILEGE_ADMIN" in editor.error("audit")
