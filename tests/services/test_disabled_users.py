"""Disabling and enabling users, and the last admin."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest
from songs.v1.user_service_pb2 import (
    DeleteMeRequest,
    DeleteUserRequest,
    DisableUserRequest,
    EnableUserRequest,
    GetMeRequest,
    GetUserRequest,
    RefreshSessionRequest,
    SetPrivilegeRequest,
    SignInRequest,
)
from songserver.testing import PASSWORD, SongServer
from tests.conftest import Caller, failure, read_failure

NOBODY = "00000000-0000-4000-8000-000000000000"


def events_about(admin: Caller, user_id: str) -> list[AuditEvent]:
    """What the audit log has of a user, the latest first."""
    request = ListAuditEventsRequest(filter=AuditFilter(target_id=user_id))
    return list(admin.audit.ListAuditEvents(request).events)


def test_a_disabled_user_is_out_at_once_and_cannot_come_back(admin: Caller, editor: Caller) -> None:
    user, song = editor.me(), editor.create()

    disabled = admin.users.DisableUser(DisableUserRequest(user_id=user.id)).user

    assert disabled.disabled
    assert disabled.privilege == PRIVILEGE_EDITOR
    assert failure(editor.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
    refresh = RefreshSessionRequest(refresh_token=editor.session.refresh_token)
    assert failure(editor.users.RefreshSession, refresh).code == "SIGN_IN_FAILURE"
    sign_in = SignInRequest(username=user.username, password=PASSWORD)
    assert failure(editor.users.SignIn, sign_in).code == "SIGN_IN_FAILURE"
    assert admin.users.GetUser(GetUserRequest(user_id=user.id)).user == disabled
    assert admin.get(song.id) == song


def test_an_enabled_user_signs_in_again_but_old_sessions_are_over(
    server: SongServer, admin: Caller, editor: Caller
) -> None:
    user = editor.me()
    admin.users.DisableUser(DisableUserRequest(username=user.username.upper()))

    enabled = admin.users.EnableUser(EnableUserRequest(username=user.username.upper())).user

    assert not enabled.disabled
    assert failure(editor.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
    assert Caller.sign_in(server, user.username, PASSWORD).me() == enabled


def test_doing_it_twice_is_the_same(admin: Caller, listener: Caller) -> None:
    user_id = listener.me().id

    for _ in range(2):
        assert admin.users.DisableUser(DisableUserRequest(user_id=user_id)).user.disabled
    for _ in range(2):
        assert not admin.users.EnableUser(EnableUserRequest(user_id=user_id)).user.disabled


@pytest.mark.parametrize("name", [{"user_id": NOBODY}, {"username": "nobody-at-all"}])
def test_who_is_not_there_is_not_found(admin: Caller, name: dict[str, str]) -> None:
    assert failure(admin.users.DisableUser, DisableUserRequest(**name)).code == "USER_NOT_FOUND"
    assert failure(admin.users.EnableUser, EnableUserRequest(**name)).code == "USER_NOT_FOUND"


@pytest.mark.parametrize("name", [{}, {"user_id": "me"}, {"username": "x" * 129}], ids=str)
def test_a_request_that_names_no_user_is_refused(admin: Caller, name: dict[str, str]) -> None:
    assert failure(admin.users.DisableUser, DisableUserRequest(**name)).code == "USER_PARSE_ERROR"
    assert failure(admin.users.EnableUser, EnableUserRequest(**name)).code == "USER_PARSE_ERROR"


def test_each_of_these_changes_is_in_the_audit_log(admin: Caller, listener: Caller) -> None:
    admin_id, user_id = admin.me().id, listener.me().id
    admin.users.SetPrivilege(SetPrivilegeRequest(user_id=user_id, privilege=PRIVILEGE_EDITOR))
    admin.users.DisableUser(DisableUserRequest(user_id=user_id))
    admin.users.EnableUser(EnableUserRequest(user_id=user_id))
    admin.users.DeleteUser(DeleteUserRequest(user_id=user_id))

    events = events_about(admin, user_id)[:4]

    assert [event.action for event in events] == ["DeleteUser", "EnableUser", "DisableUser", "SetPrivilege"]
    assert {event.actor_id for event in events} == {admin_id}
    assert events[-1].details == {"privilege": "PRIVILEGE_EDITOR"}


def test_the_last_admin_can_neither_go_nor_be_sent_away(empty_server: SongServer) -> None:
    admin = Caller.new(empty_server, PRIVILEGE_ADMIN)
    empty_server.sign_up("somebody", PRIVILEGE_EDITOR)
    me = admin.me()

    for call, request in (
        (admin.users.DeleteUser, DeleteUserRequest(user_id=me.id)),
        (admin.users.DisableUser, DisableUserRequest(username=me.username)),
        (admin.users.SetPrivilege, SetPrivilegeRequest(user_id=me.id, privilege=PRIVILEGE_LISTENER)),
        (admin.users.DeleteMe, DeleteMeRequest(password=PASSWORD)),
    ):
        refused = failure(call, request)
        assert (refused.code, refused.status) == ("LAST_ADMIN", grpc.StatusCode.FAILED_PRECONDITION)

    assert admin.me() == me
    assert [event.action for event in events_about(admin, me.id)] == ["create-user"], (
        "what was not done is not recorded"
    )


def test_of_two_admins_that_send_each_other_away_one_stays(empty_server: SongServer) -> None:
    """That all ways and times are safe: storage/test_last_admin.py."""
    admins = [Caller.new(empty_server, PRIVILEGE_ADMIN) for _ in range(2)]
    ids = [admin.me().id for admin in admins]

    def send_away(admin: Caller, user_id: str) -> str:
        try:
            admin.users.DisableUser(DisableUserRequest(user_id=user_id), timeout=20)
        except grpc.RpcError as error:
            return read_failure(error).code
        return "done"

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(send_away, admins, reversed(ids)))

    assert sorted(outcomes) in (["LAST_ADMIN", "done"], ["SIGN_IN_FAILURE", "done"])
    assert admins[outcomes.index("done")].me().privilege == PRIVILEGE_ADMIN
