"""Who may call what, frozen: a method that becomes open to more people does so in a diff of this table."""

import pytest
from click.testing import CliRunner

from songs.v1.access_pb2 import PRIVILEGE_UNSPECIFIED, Privilege, Scope
from songserver.app import METHODS, SERVICES
from songserver.cli import main
from songserver.rpc import Method, handlers
from tests.interceptors.conftest import PUBLIC, Servicer, describe

ACCESS = {
    "SongService": {
        "CreateSong": "EDITOR",
        "GetSong": "LISTENER",
        "BatchGetSongs": "LISTENER",
        "UpdateSong": "EDITOR",
        "DeleteSong": "EDITOR",
        "ListSongs": "LISTENER",
        "SearchSongs": "LISTENER",
        "ImportSongs": "EDITOR",
        "SuggestSongs": "LISTENER",
        "CountSongs": "LISTENER",
        "ExportSongs": "LISTENER",
        "WatchSongs": "LISTENER",
        "BatchCreateSongs": "EDITOR",
        "UpdateSongs": "EDITOR",
        "DeleteSongs": "EDITOR",
        "FindDuplicates": "EDITOR",
        "MergeSongs": "EDITOR",
    },
    "UserService": {
        "SignUp": "PUBLIC",
        "SignIn": "PUBLIC",
        "RefreshSession": "PUBLIC",
        "SignOut": "LISTENER",
        "ListSessions": "LISTENER",
        "RevokeSession": "LISTENER",
        "GetSigningKeys": "PUBLIC",
        "GetMe": "LISTENER",
        "UpdateMe": "LISTENER",
        "ChangePassword": "LISTENER",
        "DeleteMe": "LISTENER",
        "ExportMe": "LISTENER",
        "ListUsers": "ADMIN",
        "GetUser": "ADMIN",
        "SetPrivilege": "ADMIN",
        "DisableUser": "ADMIN",
        "EnableUser": "ADMIN",
        "DeleteUser": "ADMIN",
    },
    "ApiKeyService": {"CreateApiKey": "LISTENER", "ListApiKeys": "LISTENER", "RevokeApiKey": "LISTENER"},
    "AuditService": {"ListAuditEvents": "ADMIN"},
}


def test_who_may_call_what_never_changes_by_the_way() -> None:
    told = {
        service.name: {
            method.name: Privilege.Name(Method.of(method).access).removeprefix("PRIVILEGE_")
            for method in service.methods
        }
        for service in SERVICES
    }

    assert told == ACCESS


SCOPES = {
    "SONGS_READ": {
        "GetSong",
        "BatchGetSongs",
        "ListSongs",
        "SearchSongs",
        "SuggestSongs",
        "CountSongs",
        "ExportSongs",
        "WatchSongs",
    },
    "SONGS_WRITE": {
        "CreateSong",
        "UpdateSong",
        "DeleteSong",
        "ImportSongs",
        "BatchCreateSongs",
        "UpdateSongs",
        "DeleteSongs",
        "FindDuplicates",
        "MergeSongs",
    },
    "ACCOUNT_READ": {"GetMe"},
    "USERS_READ": {"ListUsers", "GetUser"},
    "USERS_WRITE": {"SetPrivilege", "DisableUser", "EnableUser", "DeleteUser"},
    "AUDIT_READ": {"ListAuditEvents"},
}


def test_what_an_api_key_is_for_never_changes_by_the_way() -> None:
    told: dict[str, set[str]] = {}
    for method in map(Method.of, METHODS):
        if method.scope:
            told.setdefault(Scope.Name(method.scope).removeprefix("SCOPE_"), set()).add(method.name)

    assert told == SCOPES


def test_each_privilege_includes_those_before_it() -> None:
    assert dict(Privilege.items()) == {
        "PRIVILEGE_UNSPECIFIED": 0,
        "PRIVILEGE_PUBLIC": 1,
        "PRIVILEGE_LISTENER": 2,
        "PRIVILEGE_EDITOR": 3,
        "PRIVILEGE_ADMIN": 4,
    }


async def behave(*_: object) -> str:
    return ""


def test_a_method_that_does_not_say_who_may_call_it_is_not_served() -> None:
    forgotten = describe("Forgotten", PRIVILEGE_UNSPECIFIED)
    assert len(handlers(Servicer(behave), PUBLIC, [])) == 4

    with pytest.raises(ValueError, match=r"throwaway\.Forgotten\.Unary has no \(songs\.v1\.access\) option"):
        handlers(Servicer(behave), forgotten, [])


def test_the_operator_can_print_the_policy() -> None:
    result = CliRunner().invoke(main, ["export-policy"])

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"/songs.v1.{service}/{method} {privilege}"
        for service, methods in ACCESS.items()
        for method, privilege in methods.items()
    ]
