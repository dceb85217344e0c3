"""Accounts: sign up, read and change one's own, delete it."""

import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import (
    DeleteMeRequest,
    GetMeRequest,
    SignInRequest,
    SignUpRequest,
    UpdateMeRequest,
)
from songserver.config import Settings
from songserver.testing import PASSWORD, SongServer, running_server
from tests.conftest import Caller, failure

OTHER_PASSWORD = "battery staple horse"


def fresh_name() -> str:
    return f"u{secrets.token_hex(6)}"


def sign_up(caller: Caller, username: str, password: str = OTHER_PASSWORD, display_name: str = "") -> User:
    request = SignUpRequest(username=username, password=password, display_name=display_name)
    return caller.users.SignUp(request).user


def test_who_signs_up_is_a_listener_and_can_sign_in(server: SongServer, anyone: Caller) -> None:
    name = fresh_name()

    user = sign_up(anyone, name, display_name=" Zoe\u0308 \U0001f3b5 ")

    assert (user.username, user.display_name, user.privilege) == (name, "Zoë \U0001f3b5", PRIVILEGE_LISTENER)
    assert len(user.id) == 36
    assert user.create_time == user.update_time
    assert Caller.sign_in(server, name, OTHER_PASSWORD).me() == user


def test_an_operator_may_let_everybody_edit(song_server_settings: Settings) -> None:
    settings = song_server_settings.model_copy(update={"sign_up_privilege": "editor"})
    with running_server(settings) as server:
        assert sign_up(Caller(server.channel()), "somebody").privilege == PRIVILEGE_EDITOR


def test_a_name_is_taken_in_whatever_case(anyone: Caller) -> None:
    name = fresh_name()
    sign_up(anyone, f"Ǆ{name}ß")

    for same in (f"ǆ{name}ss", f"Ǆ{name.upper()}SS", f" ǆ{name}ß "):
        refused = failure(anyone.users.SignUp, SignUpRequest(username=same, password=OTHER_PASSWORD))

        assert refused.code == "USERNAME_EXISTS"
        assert repr(unicodedata.normalize("NFKC", same.strip())) in refused.message


def test_of_10_who_take_the_same_name_at_once_one_has_it(anyone: Caller) -> None:
    name = fresh_name()

    def attempt(_: int) -> bool:
        try:
            sign_up(anyone, name)
        except Exception:  # noqa: BLE001 - counted
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(attempt, range(10))).count(True) == 1


@pytest.mark.parametrize("name", ["abc", "a.b-c_d", "9lives", "Ånna", "Иван", "王小明", "x" * 32, "Cafe\u0301"])
def test_names_of_all_scripts_are_taken(anyone: Caller, name: str) -> None:
    user = sign_up(anyone, name)

    assert user.username == ("Café" if name.startswith("Cafe") else name)


@pytest.mark.parametrize(
    "name",
    ["", "ab", "x" * 33, ".abc", "_abc", "a b c", "a@b.c", "abc\x00", "abc\nd", "$where", "a\u200bbc", "abc\U0001f3b5"],
)
def test_a_name_that_breaks_the_rules_is_refused(anyone: Caller, name: str) -> None:
    refused = failure(anyone.users.SignUp, SignUpRequest(username=name, password=OTHER_PASSWORD))

    assert (refused.code, set(refused.fields)) == ("INVALID_USER_DETAILS", {"username"})


def test_all_broken_rules_of_an_account_are_told(anyone: Caller) -> None:
    request = SignUpRequest(username="a", password="short", display_name="x" * 129)

    refused = failure(anyone.users.SignUp, request)

    assert refused.code == "INVALID_USER_DETAILS"
    assert sorted(refused.fields) == ["display_name", "password", "username"]
    assert "short" not in refused.message


@pytest.mark.parametrize("password", ["correct1", " " * 8, "\x00" * 8, "\U0001f3b5" * 256, "e\u0301" * 20])
def test_a_password_is_any_8_to_256_characters(server: SongServer, anyone: Caller, password: str) -> None:
    name = fresh_name()
    sign_up(anyone, name, password)

    assert Caller.sign_in(server, name, password).me().username == name
    for wrong in (password[:-1], password + "x", password.upper() + "X"):
        assert failure(anyone.users.SignIn, SignInRequest(username=name, password=wrong)).code in {
            "SIGN_IN_FAILURE",
            "INVALID_USER_DETAILS",
        }


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257])
def test_a_password_too_short_or_too_long_is_refused(anyone: Caller, password: str) -> None:
    refused = failure(anyone.users.SignUp, SignUpRequest(username=fresh_name(), password=password))

    assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["password"])


def test_an_account_is_changed_by_its_mask(listener: Caller) -> None:
    before, name = listener.me(), fresh_name()
    change = User(username=name, display_name="New")

    user = listener.users.UpdateMe(UpdateMeRequest(user=change, update_mask=FieldMask(paths=["display_name"]))).user
    assert (user.username, user.display_name) == (before.username, "New")
    user = listener.users.UpdateMe(UpdateMeRequest(user=change, update_mask=FieldMask(paths=["username"]))).user
    assert (user.username, user.display_name) == (name, "New")
    user = listener.users.UpdateMe(UpdateMeRequest(user=User(display_name=" Newer "))).user
    assert (user.username, user.display_name) == (name, "Newer")
    user = listener.users.UpdateMe(UpdateMeRequest(update_mask=FieldMask(paths=["display_name"]))).user
    assert (user.username, user.display_name) == (name, "")

    assert listener.me() == user
    assert (user.id, user.create_time, user.privilege) == (before.id, before.create_time, before.privilege)
    assert user.update_time.ToNanoseconds() >= before.update_time.ToNanoseconds()


def test_a_new_name_is_the_one_to_sign_in_with(server: SongServer, listener: Caller, anyone: Caller) -> None:
    before, name = listener.me().username, fresh_name()

    listener.users.UpdateMe(UpdateMeRequest(user=User(username=name)))

    assert Caller.sign_in(server, name.upper(), PASSWORD).me().username == name
    assert failure(anyone.users.SignIn, SignInRequest(username=before, password=PASSWORD)).code == "SIGN_IN_FAILURE"
    assert sign_up(anyone, before).username == before


def test_a_name_may_change_its_case_but_not_be_anothers(listener: Caller, editor: Caller) -> None:
    name = listener.me().username
    assert listener.users.UpdateMe(UpdateMeRequest(user=User(username=name.upper()))).user.username == name.upper()

    request = UpdateMeRequest(user=User(username=editor.me().username.upper()))
    assert failure(listener.users.UpdateMe, request).code == "USERNAME_EXISTS"


@pytest.mark.parametrize("path", ["privilege", "id", "create_time", "password", "password_hash", "$set", ""])
def test_nobody_changes_more_than_name_and_display_name(listener: Caller, path: str) -> None:
    before = listener.me()
    change = User(privilege=PRIVILEGE_ADMIN, id="x")

    refused = failure(listener.users.UpdateMe, UpdateMeRequest(user=change, update_mask=FieldMask(paths=[path])))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["update_mask"])
    listener.users.UpdateMe(UpdateMeRequest(user=change))
    assert listener.me().privilege == before.privilege
    assert listener.me().id == before.id


def test_a_change_that_breaks_a_rule_is_refused(listener: Caller) -> None:
    for change, field in (
        (UpdateMeRequest(user=User(username="a")), "user.username"),
        (UpdateMeRequest(update_mask=FieldMask(paths=["*"])), "user.username"),
        (UpdateMeRequest(user=User(display_name="a\x00")), "user.display_name"),
    ):
        refused = failure(listener.users.UpdateMe, change)
        assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", [field])


def test_deleting_the_own_account_takes_the_password(server: SongServer, editor: Caller, listener: Caller) -> None:
    other = Caller.sign_in(server, editor.me().username, PASSWORD)
    song, name = editor.create(), editor.me().username

    assert failure(editor.users.DeleteMe, DeleteMeRequest(password="wrong")).code == "SIGN_IN_FAILURE"
    refused = failure(editor.users.DeleteMe, DeleteMeRequest())
    assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["password"])
    assert editor.me().username == name

    editor.users.DeleteMe(DeleteMeRequest(password=PASSWORD))

    for caller in (editor, other):
        assert failure(caller.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
    refused = failure(listener.users.SignIn, SignInRequest(username=name, password=PASSWORD))
    assert refused.code == "SIGN_IN_FAILURE"
    assert listener.get(song.id) == song
