"""Guessing passwords: few guesses, and the same answer whatever is behind a name."""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import (
    ChangePasswordRequest,
    DeleteMeRequest,
    DisableUserRequest,
    SignInRequest,
    SignUpRequest,
    UpdateMeRequest,
)
from songserver.config import Settings
from songserver.testing import PASSWORD, SongServer, running_server
from tests.conftest import Caller, Failure, failure


def fresh_name() -> str:
    return f"u{secrets.token_hex(6)}"


def sign_in(caller: Caller, name: str, password: str = "a wrong one") -> Failure:
    return failure(caller.users.SignIn, SignInRequest(username=name, password=password))


@pytest.fixture
def strict(song_server_settings: Settings) -> Iterator[SongServer]:
    """A server with the limits as they are by default."""
    limit: int = Settings.model_fields["sign_in_failures_by_peer"].default
    with running_server(song_server_settings.model_copy(update={"sign_in_failures_by_peer": limit})) as server:
        yield server


@pytest.fixture
def somebody(server: SongServer) -> str:
    return server.sign_up(fresh_name())[0]


def test_after_5_failures_not_even_the_right_password_is_looked_at(anyone: Caller, somebody: str) -> None:
    for _ in range(5):
        assert sign_in(anyone, somebody).code == "SIGN_IN_FAILURE"

    for password in ("a wrong one", PASSWORD):
        refused = sign_in(anyone, somebody, password)
        assert (refused.code, refused.status) == ("TOO_MANY_ATTEMPTS", grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert 880 < refused.retry.retry_delay.seconds <= 900


def test_a_name_is_locked_in_whatever_case(anyone: Caller, somebody: str) -> None:
    for name in (somebody, somebody.upper(), f" {somebody} ", somebody, somebody.title()):
        assert sign_in(anyone, name).code == "SIGN_IN_FAILURE"

    assert sign_in(anyone, somebody).code == "TOO_MANY_ATTEMPTS"


def test_nothing_tells_whether_there_is_an_account(admin: Caller, anyone: Caller, server: SongServer) -> None:
    known, disabled, unknown = fresh_name(), fresh_name(), fresh_name()
    server.sign_up(known)
    server.sign_up(disabled)
    admin.users.DisableUser(DisableUserRequest(username=disabled))

    for attempt in range(7):
        answers = [
            sign_in(anyone, known),
            sign_in(anyone, unknown),
            sign_in(anyone, disabled, PASSWORD),  # the right one
        ]
        assert len({(a.code, a.status, a.message, tuple(a.fields)) for a in answers}) == 1
        assert {a.code for a in answers} == {"SIGN_IN_FAILURE" if attempt < 5 else "TOO_MANY_ATTEMPTS"}
        for answer in answers:
            assert sorted(answer.info.metadata) == ["request_id", "status_code"]
            assert sorted(answer.trailers) == sorted(answers[0].trailers)
            if attempt < 5:
                assert len(answer.rich) == len(answers[0].rich)


def test_of_many_guesses_at_once_no_more_than_5_are_looked_at(anyone: Caller, somebody: str) -> None:
    with ThreadPoolExecutor(12) as threads:
        codes = list(threads.map(lambda _: sign_in(anyone, somebody).code, range(12)))

    assert codes.count("SIGN_IN_FAILURE") == 5
    assert codes.count("TOO_MANY_ATTEMPTS") == 7


def test_those_who_know_the_password_may_all_come_at_once(server: SongServer, somebody: str) -> None:
    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(lambda _: Caller.sign_in(server, somebody, PASSWORD).me(), range(12)))


def test_people_behind_one_address_may_all_come_at_once(strict: SongServer) -> None:
    """More at once than may fail: once, those who waited were passed over again and again, and turned away."""
    names = [strict.sign_up(fresh_name())[0] for _ in range(10)]

    with ThreadPoolExecutor(10) as threads:
        assert all(threads.map(lambda name: Caller.sign_in(strict, name, PASSWORD).me(), names * 6))


def test_who_signs_in_has_all_failures_forgiven(server: SongServer, anyone: Caller, somebody: str) -> None:
    for _ in range(2):
        for _ in range(4):
            assert sign_in(anyone, somebody).code == "SIGN_IN_FAILURE"
        assert Caller.sign_in(server, somebody, PASSWORD).me()


def test_a_locked_account_does_not_end_its_sessions(server: SongServer, anyone: Caller, somebody: str) -> None:
    signed_in = Caller.sign_in(server, somebody, PASSWORD)
    for _ in range(6):
        sign_in(anyone, somebody)

    assert signed_in.me().username == somebody


def test_a_lock_holds_in_every_process_and_after_a_restart(song_server_settings: Settings) -> None:
    with running_server(song_server_settings) as one, running_server(song_server_settings) as another:
        name, _ = one.sign_up(fresh_name())
        servers = [Caller(one.channel()), Caller(another.channel())]
        for attempt in range(5):
            assert sign_in(servers[attempt % 2], name).code == "SIGN_IN_FAILURE"
        assert {sign_in(caller, name, PASSWORD).code for caller in servers} == {"TOO_MANY_ATTEMPTS"}
    with running_server(song_server_settings) as restarted:
        assert sign_in(Caller(restarted.channel()), name, PASSWORD).code == "TOO_MANY_ATTEMPTS"


def test_a_lock_ends_and_failures_are_forgotten_with_time(song_server_settings: Settings) -> None:
    settings = song_server_settings.model_copy(update={"sign_in_failures": 2, "sign_in_lockout": 1.5})
    with running_server(settings) as server:
        name, _ = server.sign_up(fresh_name())
        caller = Caller(server.channel())
        for _ in range(2):
            assert sign_in(caller, name).code == "SIGN_IN_FAILURE"
        assert sign_in(caller, name).code == "TOO_MANY_ATTEMPTS"
        time.sleep(1.6)
        assert sign_in(caller, name).code == "SIGN_IN_FAILURE", "what is refused does not make the lock longer"
        time.sleep(1.6)
        assert sign_in(caller, name).code == "SIGN_IN_FAILURE", "the one before is forgotten"
        assert Caller.sign_in(server, name, PASSWORD)


def test_a_peer_is_locked_whatever_names_it_tries(strict: SongServer) -> None:
    name, _ = strict.sign_up(fresh_name())
    caller = Caller(strict.channel())
    for _ in range(5):
        assert sign_in(caller, fresh_name()).code == "SIGN_IN_FAILURE"

    refused = sign_in(caller, name, PASSWORD)
    assert (refused.code, refused.status) == ("TOO_MANY_ATTEMPTS", grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert refused.retry.retry_delay.seconds > 880


def test_a_peer_that_signs_in_as_itself_now_and_then_is_locked_all_the_same(strict: SongServer) -> None:
    own, _ = strict.sign_up(fresh_name())
    caller = Caller(strict.channel())
    for _ in range(5):
        assert Caller.sign_in(strict, own, PASSWORD)
        assert sign_in(caller, fresh_name()).code == "SIGN_IN_FAILURE"

    assert sign_in(caller, own, PASSWORD).code == "TOO_MANY_ATTEMPTS"


@pytest.mark.parametrize(
    "request_with",
    [
        lambda password: ("ChangePassword", ChangePasswordRequest(current_password=password, new_password="new horse")),
        lambda password: ("DeleteMe", DeleteMeRequest(password=password)),
    ],
)
def test_a_stolen_session_does_not_let_its_thief_guess_the_password(listener: Caller, request_with: object) -> None:
    assert callable(request_with)
    for _ in range(5):
        name, request = request_with("a wrong one")
        assert failure(getattr(listener.users, name), request).code == "SIGN_IN_FAILURE"
        # Another name is no way out.
        listener.users.UpdateMe(UpdateMeRequest(user=User(username=fresh_name())))

    name, request = request_with(PASSWORD)
    assert failure(getattr(listener.users, name), request).code == "TOO_MANY_ATTEMPTS"
    assert sign_in(listener, listener.me().username, PASSWORD).code == "TOO_MANY_ATTEMPTS"


def test_what_cannot_be_a_password_is_no_attempt(anyone: Caller, somebody: str) -> None:
    for _ in range(6):
        assert sign_in(anyone, somebody, "").code == "INVALID_USER_DETAILS"

    assert sign_in(anyone, somebody).code == "SIGN_IN_FAILURE"


@pytest.mark.parametrize(
    "password", ["password1", "PassWord1", "12345678", "qwertyuiop", "{name}", "{NAME}99", "!{eman}1", "{name}{name}"]
)
def test_a_password_that_is_guessed_first_is_refused(anyone: Caller, server: SongServer, password: str) -> None:
    name = fresh_name()
    password = password.format(name=name, NAME=name.upper(), eman=name[::-1])
    refused = failure(anyone.users.SignUp, SignUpRequest(username=name, password=password))
    assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["password"])
    assert password not in refused.message + str(refused.bad_request)

    user = Caller.sign_in(server, *server.sign_up(name))
    change = ChangePasswordRequest(current_password=PASSWORD, new_password=password)
    refused = failure(user.users.ChangePassword, change)
    assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["new_password"])
    assert password not in refused.message + str(refused.bad_request)
    assert Caller.sign_in(server, name, PASSWORD).me(), "it has changed nothing"


def test_a_name_that_looks_like_anothers_is_refused(anyone: Caller, listener: Caller) -> None:
    tail = secrets.token_hex(4)
    taken = f"pay-ol-{tail}"
    anyone.users.SignUp(SignUpRequest(username=taken, password=PASSWORD))

    for name in (f"рау-ol-{tail}", f"pаy-ol-{tail}"):
        refused = failure(anyone.users.SignUp, SignUpRequest(username=name, password=PASSWORD))
        assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["username"])
        refused = failure(listener.users.UpdateMe, UpdateMeRequest(user=User(username=name)))
        assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["user.username"])
    for name in (f"pay-o1-{tail}", f"pay-0l-{tail.upper()}", f"ｐay-ol-{tail}"):
        assert failure(anyone.users.SignUp, SignUpRequest(username=name, password=PASSWORD)).code == "USERNAME_EXISTS"
        request = UpdateMeRequest(user=User(username=name))
        assert failure(listener.users.UpdateMe, request).code == "USERNAME_EXISTS"


def test_accounts_from_before_the_rules_go_on(song_server_settings: Settings) -> None:
    """They have neither a revision nor a skeleton, and perhaps a name or password that would now be refused."""
    with running_server(song_server_settings) as server:
        name, _ = server.sign_up("old-timer")
        server._run(server._running.accounts.users._users.update_many({}, {"$unset": {"revision": "", "skeleton": ""}}))
    with running_server(song_server_settings) as server:
        old = Caller.sign_in(server, name, PASSWORD)
        assert old.me().username == name
        assert Caller.new(server, PRIVILEGE_ADMIN).me()
        request = SignUpRequest(username="o1d-timer", password=PASSWORD)
        assert failure(old.users.SignUp, request).code == "USERNAME_EXISTS"
        new = ChangePasswordRequest(current_password=PASSWORD, new_password="battery staple horse")
        old.users.ChangePassword(new)
        assert Caller.sign_in(server, name, new.new_password).me() == old.me()


def test_a_hash_of_old_parameters_is_renewed_at_the_next_sign_in(song_server_settings: Settings) -> None:
    def stored(server: SongServer) -> str:
        account = server._run(server._running.accounts.users.find_account_by_name("somebody"))
        assert account
        return account.password_hash

    with running_server(song_server_settings) as server:
        server.sign_up("somebody")
        old = stored(server)
    with running_server(song_server_settings.model_copy(update={"argon2_time_cost": 2})) as server:
        assert sign_in(Caller(server.channel()), "somebody").code == "SIGN_IN_FAILURE"
        assert stored(server) == old, "the wrong password is not what is hashed anew"
        session = Caller.sign_in(server, "somebody", PASSWORD)
        assert "t=1" in old
        assert "t=2" in stored(server)
        assert Caller.sign_in(server, "somebody", PASSWORD).me() == session.me()
