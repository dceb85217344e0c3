"""signup, login, logout, whoami, passwd."""

from songclient import Privilege, SongClient
from songclient.cli.session_file import SessionFile
from tests.cli.conftest import Songctl


def test_signing_up_signs_in(songctl: Songctl) -> None:
    user = songctl.document("signup", "ann", "--display-name", "Ann", stdin="correct horse\ncorrect horse\n")
    assert (user["username"], user["display_name"]) == ("ann", "Ann")
    assert user["privilege"] == "PRIVILEGE_LISTENER"
    assert songctl.document("whoami")["id"] == user["id"]


def test_signing_up_asks_again_until_both_passwords_are_the_same(songctl: Songctl) -> None:
    asked = songctl("signup", "ann", stdin="correct horse\nwrong horse\n" + 2 * "second horse\n")
    assert "do not match" in asked.stderr
    songctl("login", "ann", env={"SONGCTL_PASSWORD": "second horse"})


def test_the_name_is_asked_for(songctl: Songctl) -> None:
    songctl("signup", stdin="ann\n", env={"SONGCTL_PASSWORD": "correct horse"})
    songctl("logout")
    asked = songctl("login", stdin="ann\ncorrect horse\n")
    assert asked.stdout.splitlines()[0] == "username\tann"
    assert "correct horse" not in asked.output


def test_every_broken_rule_of_an_account_is_told(songctl: Songctl) -> None:
    stderr = songctl.error("signup", "a", env={"SONGCTL_PASSWORD": "short"})
    first, *rules = stderr.splitlines()
    assert first == "songctl: 2 things are wrong:"
    assert [rule.split(":")[0].strip() for rule in rules] == ["username", "password"]


def test_a_wrong_password_does_not_ask_to_log_in(songctl: Songctl) -> None:
    username, _ = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    stderr = songctl.error("login", username, "--password-stdin", stdin="wrong horse\n")
    assert len(stderr.splitlines()) == 1
    assert "songctl login" not in stderr
    assert songctl.session_files == []


def test_the_password_is_read_from_standard_input(songctl: Songctl) -> None:
    username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    songctl("login", username, "--password-stdin", stdin=f"{password}\r\n")
    assert songctl("whoami").stdout.startswith(f"username\t{username}\n")


def test_no_line_on_standard_input_is_no_password(songctl: Songctl) -> None:
    stderr = songctl.error("login", "ann", "--password-stdin", stdin="", exit_code=2)
    assert "standard input has no line with the password" in stderr


def test_input_that_ends_before_the_answer_says_what_to_do(songctl: Songctl) -> None:
    assert "see --help" in songctl.error("login", stdin="", exit_code=2)


def test_who_is_not_signed_in_is_told_how(songctl: Songctl) -> None:
    assert songctl.error("whoami") == "songctl: not signed in: run `songctl login`, or set SONGCTL_API_KEY\n"


def test_signing_out_ends_the_session_here_and_there(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    (path,) = songctl.session_files
    kept = path.read_bytes()
    songctl("logout")
    assert songctl.session_files == []
    path.write_bytes(kept)
    stderr = songctl.error("whoami")
    assert stderr.startswith("songctl: the session is over (")
    assert stderr.endswith("): run `songctl login`\n")


def test_signing_out_of_a_session_that_is_over_forgets_it(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    (path,) = songctl.session_files
    kept = path.read_bytes()
    songctl("logout")
    path.write_bytes(kept)
    songctl("logout")
    assert songctl.session_files == []


def test_signing_out_of_a_session_that_cannot_be_renewed_forgets_it(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    kept = SessionFile(songctl.session_files[0].parent, songctl.server.address)
    over = kept.load()
    assert over is not None
    songctl("logout")
    over.access_token_expire_time.GetCurrentTime()
    kept.save(over)
    songctl("logout")
    assert songctl.session_files == []
    kept.save(over)
    assert songctl.error("whoami").startswith("songctl: the session is over (")


def test_signing_out_everywhere_ends_the_sessions_of_all_devices(songctl: Songctl) -> None:
    username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    with SongClient(songctl.server.address, username=username, password=password) as elsewhere:
        elsewhere.get_me()
        songctl("login", username, env={"SONGCTL_PASSWORD": password})
        songctl("logout", "--everywhere")
        assert songctl.session_files == []
        elsewhere.refresh_session()  # It signs in again: with the tokens alone it could not.
        songctl("login", username, env={"SONGCTL_PASSWORD": password})
        assert len(songctl.lines("sessions", "list")) == 2


def test_a_session_that_is_over_cannot_end_the_others(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    (path,) = songctl.session_files
    kept = path.read_bytes()
    songctl("logout")
    path.write_bytes(kept)
    assert "songctl login" in songctl.error("logout", "--everywhere")


def test_guessing_is_told_how_long_to_wait(songctl: Songctl) -> None:
    username, password = songctl.sign_up(Privilege.PRIVILEGE_LISTENER)
    for _ in range(5):
        songctl.error("login", username, env={"SONGCTL_PASSWORD": "wrong horse"})
    (line,) = songctl.error("login", username, env={"SONGCTL_PASSWORD": password}).splitlines()
    assert line.endswith("(wait 15 min)")


def test_a_new_password_is_the_one_that_counts(songctl: Songctl) -> None:
    songctl("signup", "ann", env={"SONGCTL_PASSWORD": "correct horse"})
    songctl("passwd", "--password-stdin", stdin="correct horse\nsecond horse\n")
    songctl("whoami")
    songctl.error("login", "ann", env={"SONGCTL_PASSWORD": "correct horse"})
    songctl("login", "ann", env={"SONGCTL_PASSWORD": "second horse"})
    passwords = {"SONGCTL_PASSWORD": "second horse", "SONGCTL_NEW_PASSWORD": "third horse"}
    songctl("passwd", env=passwords)
    songctl("login", "ann", env={"SONGCTL_PASSWORD": "third horse"})


def test_a_wrong_current_password_changes_nothing(songctl: Songctl) -> None:
    songctl("signup", "ann", env={"SONGCTL_PASSWORD": "correct horse"})
    stderr = songctl.error("passwd", "--password-stdin", stdin="wrong horse\nsecond horse\n")
    assert "session is over" not in stderr
    songctl("login", "ann", env={"SONGCTL_PASSWORD": "correct horse"})


def test_the_session_file_works_with_the_library(songctl: Songctl) -> None:
    username = songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    kept = SessionFile(songctl.session_files[0].parent, songctl.server.address)
    with SongClient(songctl.server.address, session=kept.load()) as client:
        assert client.get_me().username == username
