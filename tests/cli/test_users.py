"""The commands of admins."""

import pytest

from songclient import Privilege
from songserver.testing import PASSWORD
from tests.cli.conftest import Songctl


@pytest.fixture
def ann(admin: Songctl) -> str:
    return admin.sign_up(Privilege.PRIVILEGE_LISTENER)[0]


def test_users_are_listed_by_name(admin: Songctl, ann: str) -> None:
    names = [user["username"] for user in admin.lines("users", "list")]
    assert ann in names
    assert names == sorted(names)
    rows = [line.split("\t") for line in admin("users", "list").stdout.splitlines()]
    assert [ann, "listener"] in [[row[0], row[2]] for row in rows]


def test_a_user_is_shown_by_name_and_by_id(admin: Songctl, ann: str) -> None:
    user = admin.document("users", "show", ann)
    assert user["username"] == ann
    assert admin.document("users", "show", user["id"]) == user


def test_a_privilege_is_set(admin: Songctl, ann: str) -> None:
    user = admin.document("users", "set-privilege", ann, "editor")
    assert user["privilege"] == "PRIVILEGE_EDITOR"
    assert admin.document("users", "show", ann)["privilege"] == "PRIVILEGE_EDITOR"
    assert "listener" in admin.error("users", "set-privilege", ann, "king", exit_code=2)


def test_a_user_is_disabled_and_enabled(admin: Songctl, ann: str) -> None:
    assert admin.document("users", "disable", ann)["disabled"] is True
    assert "listener, disabled" in admin("users", "show", ann).stdout
    kept_out = admin.error("login", ann, env={"SONGCTL_PASSWORD": PASSWORD})
    assert kept_out == "songctl: the user name or the password is wrong\n"
    admin("users", "enable", ann)
    admin("login", ann, env={"SONGCTL_PASSWORD": PASSWORD})


def test_the_last_admin_is_told_how_to_make_another(admin: Songctl) -> None:
    me = admin.document("whoami")["username"]
    (line,) = admin.error("users", "disable", me).splitlines()
    assert line.endswith("(`songctl users set-privilege NAME admin`)")


def test_a_user_is_removed_after_a_question(admin: Songctl, ann: str) -> None:
    assert f"Remove the user {ann}?" in admin.error("users", "rm", ann, stdin="n\n")
    admin("users", "show", ann)
    admin("users", "rm", ann, stdin="y\n")
    assert ann in admin.error("users", "show", ann)


def test_a_user_is_removed_at_once_with_yes(admin: Songctl, ann: str) -> None:
    assert admin("users", "rm", "--yes", ann).output == ""
    admin.error("users", "show", ann)


def test_a_name_as_long_as_an_id_is_no_id(admin: Songctl) -> None:
    admin.error("users", "show", "x" * 36)


def test_users_are_for_admins(editor: Songctl) -> None:
    assert "PRIVILEGE_ADMIN" in editor.error("users", "list")
