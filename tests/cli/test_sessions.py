"""sessions list, revoke."""

from songclient import Privilege, SongClient
from tests.cli.conftest import TERMINAL, Songctl

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_sessions_are_listed_and_ended(songctl: Songctl) -> None:
    username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    songctl("login", username, env={"SONGCTL_PASSWORD": password})
    with SongClient(
        songctl.server.address, username=username, password=password, user_agent="jukebox/2.1"
    ) as elsewhere:
        elsewhere.get_me()

    there, here = songctl.lines("sessions", "list")
    assert (there.get("current"), here["current"]) == (None, True)
    assert [session["user_agent"].split("/")[0] for session in (there, here)] == ["jukebox", "songctl"]
    rows = [line.split("\t") for line in songctl("sessions", "list").stdout.splitlines()]
    assert [(row[0], row[3], row[-1]) for row in rows] == [
        ("", "127.0.0.1", there["id"]),
        ("here", "127.0.0.1", here["id"]),
    ]

    songctl("sessions", "revoke", there["id"])
    assert [session["id"] for session in songctl.lines("sessions", "list")] == [here["id"]]


def test_a_terminal_shows_a_table(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    shown = songctl("sessions", "list", env=TERMINAL).stdout
    assert "last renewed" in shown
    assert songctl.lines("sessions", "list")[0]["id"] in shown


def test_a_session_that_is_not_there_says_where_to_look(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    (line,) = songctl.error("sessions", "revoke", NOBODY).splitlines()
    assert NOBODY in line
    assert line.endswith("(`songctl sessions list`)")
    assert "session_id: " in songctl.error("sessions", "revoke", "nonsense")
