"""What admins do with users."""

import pytest

from songs.v1.access_pb2 import (
    PRIVILEGE_ADMIN,
    PRIVILEGE_EDITOR,
    PRIVILEGE_LISTENER,
    PRIVILEGE_PUBLIC,
    PRIVILEGE_UNSPECIFIED,
)
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import (
    DeleteUserRequest,
    GetMeRequest,
    GetUserRequest,
    ListUsersRequest,
    RefreshSessionRequest,
    SetPrivilegeRequest,
)
from songserver.testing import SongServer
from tests.conftest import Caller, failure

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_a_user_is_got_by_id_and_by_name(admin: Caller, listener: Caller) -> None:
    user = listener.me()

    for request in (
        GetUserRequest(user_id=user.id),
        GetUserRequest(user_id=user.id.upper()),
        GetUserRequest(username=user.username),
        GetUserRequest(username=f" {user.username.upper()} "),
    ):
        assert admin.users.GetUser(request).user == user


def test_who_is_not_there_is_not_found(admin: Caller) -> None:
    for name in ({"user_id": NOBODY}, {"username": "nobody-at-all"}, {"username": "$where"}, {"username": "a\x00b"}):
        for call, request in (
            (admin.users.GetUser, GetUserRequest(**name)),
            (admin.users.DeleteUser, DeleteUserRequest(**name)),
            (admin.users.SetPrivilege, SetPrivilegeRequest(**name, privilege=PRIVILEGE_EDITOR)),
        ):
            refused = failure(call, request)

            assert refused.code == "USER_NOT_FOUND"
            assert repr(next(iter(name.values()))) in refused.message


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ({}, "user"),
        ({"user_id": "me"}, "user_id"),
        ({"username": " "}, "username"),
        ({"username": "x" * 129}, "username"),
    ],
)
def test_a_request_that_names_no_user_is_refused(admin: Caller, name: dict[str, str], field: str) -> None:
    for call, request in (
        (admin.users.GetUser, GetUserRequest(**name)),
        (admin.users.DeleteUser, DeleteUserRequest(**name)),
        (admin.users.SetPrivilege, SetPrivilegeRequest(**name, privilege=PRIVILEGE_EDITOR)),
    ):
        refused = failure(call, request)

        assert (refused.code, refused.fields) == ("USER_PARSE_ERROR", [field])


def test_a_privilege_holds_from_the_next_call_on(admin: Caller, listener: Caller) -> None:
    user_id = listener.me().id

    user = admin.users.SetPrivilege(SetPrivilegeRequest(user_id=user_id, privilege=PRIVILEGE_EDITOR)).user
    assert user.privilege == PRIVILEGE_EDITOR
    assert listener.me() == user
    assert listener.create()

    admin.users.SetPrivilege(SetPrivilegeRequest(user_id=user_id, privilege=PRIVILEGE_ADMIN))
    assert listener.users.GetUser(GetUserRequest(user_id=user_id)).user.privilege == PRIVILEGE_ADMIN

    admin.users.SetPrivilege(SetPrivilegeRequest(user_id=user_id, privilege=PRIVILEGE_LISTENER))
    assert failure(listener.users.GetUser, GetUserRequest(user_id=user_id)).code == "PRIVILEGE_ERROR"


@pytest.mark.parametrize("privilege", [PRIVILEGE_UNSPECIFIED, PRIVILEGE_PUBLIC, 5, -1])
def test_a_user_has_one_of_three_privileges(admin: Caller, listener: Caller, privilege: int) -> None:
    request = SetPrivilegeRequest(username=listener.me().username, privilege=privilege)  # type: ignore[arg-type]

    refused = failure(admin.users.SetPrivilege, request)

    assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["privilege"])


def test_a_deleted_user_is_out_at_once(admin: Caller, editor: Caller) -> None:
    user, song = editor.me(), editor.create()

    admin.users.DeleteUser(DeleteUserRequest(username=user.username.upper()))

    assert failure(editor.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
    refresh = RefreshSessionRequest(refresh_token=editor.session.refresh_token)
    assert failure(editor.users.RefreshSession, refresh).code == "SIGN_IN_FAILURE"
    assert failure(admin.users.GetUser, GetUserRequest(user_id=user.id)).code == "USER_NOT_FOUND"
    assert failure(admin.users.DeleteUser, DeleteUserRequest(user_id=user.id)).code == "USER_NOT_FOUND"
    assert admin.get(song.id) == song


def test_users_are_listed_by_name_page_by_page(empty_server: SongServer) -> None:
    admin = Caller.new(empty_server, PRIVILEGE_ADMIN)
    for name in ("zoe", "Bob", "anna", "Émile", "Ǆuro", "carl"):
        empty_server.sign_up(name)
    names = ["anna", "Bob", "carl", admin.me().username, "zoe", "Émile", "DŽuro"]
    (whole,) = pages(admin, ListUsersRequest())
    assert sorted(user.username for user in whole) == sorted(names)
    assert [user.username for user in whole if user.username.isascii()] == names[:5]

    for size in (1, 3, 6, 7, 1000):
        found = pages(admin, ListUsersRequest(page_size=size))
        assert [user for page in found for user in page] == whole
        assert all(len(page) == size for page in found[:-1])
        assert all(found)


def pages(admin: Caller, request: ListUsersRequest) -> list[list[User]]:
    answers = [admin.users.ListUsers(request)]
    while answers[-1].next_page_token:
        request.page_token = answers[-1].next_page_token
        answers.append(admin.users.ListUsers(request))
    return [list(answer.users) for answer in answers]


def test_a_list_of_users_goes_on_with_its_own_token_only(admin: Caller, listener: Caller) -> None:
    assert listener.me()
    token = admin.users.ListUsers(ListUsersRequest(page_size=1)).next_page_token

    for page_token in (token + "A", "x", token[1:]):
        refused = failure(admin.users.ListUsers, ListUsersRequest(page_token=page_token))
        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_token"])
    refused = failure(admin.users.ListUsers, ListUsersRequest(page_size=-1))
    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_size"])
