# Generated from songclient/aio by unasync.py: change it there.
"""The calls of UserService that are for administrators."""

from collections.abc import Iterator
from typing import TypeVar

from songclient.sync.connection import Connection
from songclient.sync.paging import pages
from songs.v1.access_pb2 import Privilege
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import (
    DeleteUserRequest,
    DisableUserRequest,
    EnableUserRequest,
    GetUserRequest,
    ListUsersRequest,
    ListUsersResponse,
    SetPrivilegeRequest,
)

R = TypeVar("R", GetUserRequest, SetPrivilegeRequest, DisableUserRequest, EnableUserRequest, DeleteUserRequest)


class UserCalls:
    """Looks after the accounts of others."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._users = connection.users

    def list_users(self, *, page_size: int = 0, timeout: float | None = None) -> Iterator[User]:
        """Go over all users by name, fetching page by page as they are asked for."""

        def fetch(page_token: str) -> ListUsersResponse:
            request = ListUsersRequest(page_size=page_size, page_token=page_token)
            return self._connection.call(self._users.ListUsers, request, timeout)

        for page in pages(fetch):
            for user in page.users:
                yield user

    def get_user(
        self,
        *,
        username: str | None = None,
        user_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """Get a user by either name or id.

        Raises UserNotFound, UserParseError for an id that is none, and ValueError for both or
        neither.
        """
        request = _about(GetUserRequest(), username, user_id)
        return (self._connection.call(self._users.GetUser, request, timeout)).user

    def set_privilege(
        self,
        privilege: Privilege.ValueType,
        *,
        username: str | None = None,
        user_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """Set what a user may do: PRIVILEGE_LISTENER, PRIVILEGE_EDITOR or PRIVILEGE_ADMIN.

        Raises as get_user, InvalidUserDetails for another privilege, and LastAdmin.
        """
        request = _about(SetPrivilegeRequest(privilege=privilege), username, user_id)
        return (self._connection.call(self._users.SetPrivilege, request, timeout)).user

    def disable_user(
        self,
        *,
        username: str | None = None,
        user_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """End a user's sessions, and refuse sign-in and API keys. Raises as get_user, and LastAdmin."""
        request = _about(DisableUserRequest(), username, user_id)
        return (self._connection.call(self._users.DisableUser, request, timeout)).user

    def enable_user(
        self,
        *,
        username: str | None = None,
        user_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """Let a disabled user sign in again. Raises as get_user."""
        request = _about(EnableUserRequest(), username, user_id)
        return (self._connection.call(self._users.EnableUser, request, timeout)).user

    def delete_user(
        self,
        *,
        username: str | None = None,
        user_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Remove a user with all sessions and API keys. Raises as get_user, and LastAdmin."""
        request = _about(DeleteUserRequest(), username, user_id)
        self._connection.call(self._users.DeleteUser, request, timeout)


def _about(request: R, username: str | None, user_id: str | None) -> R:
    """Say in a request which user it is about."""
    if username is not None and user_id is None:
        request.username = username
    elif user_id is not None and username is None:
        request.user_id = user_id
    else:
        given = "neither" if username is None else "both"
        raise ValueError(f"say which user by username or by user_id, got {given}")
    return request
