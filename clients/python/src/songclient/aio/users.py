"""The calls of UserService."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from songclient.aio.connection import AsyncConnection
from songclient.aio.paging import pages
from songclient.errors import SignInFailed
from songs.v1.access_pb2 import Privilege
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import (
    ChangePasswordRequest,
    DeleteMeRequest,
    DeleteUserRequest,
    GetMeRequest,
    GetUserRequest,
    ListUsersRequest,
    ListUsersResponse,
    SetPrivilegeRequest,
    SignOutRequest,
    SignUpRequest,
    UpdateMeRequest,
)

R = TypeVar("R", GetUserRequest, SetPrivilegeRequest, DeleteUserRequest)


class AsyncUserCalls:
    """Keeps the own account and session, and for administrators those of others."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._users = connection.users

    async def sign_up(
        self, username: str, password: str, display_name: str = "", *, timeout: float | None = None
    ) -> User:
        """Make an account, without signing in. Raises InvalidUserDetails or UsernameExists."""
        request = SignUpRequest(username=username, password=password, display_name=display_name)
        return (await self._connection.send(self._users.SignUp, request, timeout)).user

    async def sign_in(self, username: str, password: str, *, timeout: float | None = None) -> User:
        """Begin a session, in place of the one there is. Raises SignInFailed."""
        return (await self._connection.sign_in(username, password, timeout)).user

    async def refresh_session(self, *, timeout: float | None = None) -> None:
        """Renew the session now, or begin it, where a call would do so only when it must.

        Does nothing if there is neither a session nor a user name. Raises SignInFailed if the
        session is over.
        """
        await self._connection.refresh(timeout)

    async def sign_out(self, *, timeout: float | None = None) -> None:
        """End the session, and forget user name and password."""
        if self._connection.signed_in:
            with suppress(SignInFailed):  # It was over already.
                await self._connection.call(self._users.SignOut, SignOutRequest(), timeout)
        await self._connection.forget()

    async def get_me(self, *, timeout: float | None = None) -> User:
        """Get the account that is signed in."""
        return (await self._connection.call(self._users.GetMe, GetMeRequest(), timeout)).user

    async def update_me(
        self,
        *,
        username: str | None = None,
        display_name: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """Change what is given of the own account. Raises InvalidUserDetails or UsernameExists."""
        changes = {"username": username, "display_name": display_name}
        request = UpdateMeRequest(
            user=User(username=username or "", display_name=display_name or ""),
            update_mask=FieldMask(paths=[name for name, value in changes.items() if value is not None]),
        )
        user = (await self._connection.call(self._users.UpdateMe, request, timeout)).user
        self._connection.change_credentials(username=username)
        return user

    async def change_password(self, current: str, new: str, *, timeout: float | None = None) -> None:
        """Set a new password and end all other sessions.

        Raises SignInFailed if the current one is wrong, InvalidUserDetails if the new one is.
        """
        request = ChangePasswordRequest(current_password=current, new_password=new)
        # From here on SignInFailed speaks of the password, not of the session.
        await self._connection.check(timeout)
        await self._connection.call(self._users.ChangePassword, request, timeout, renew=False)
        self._connection.change_credentials(password=new)

    async def delete_me(self, password: str, *, timeout: float | None = None) -> None:
        """Remove the own account. Raises SignInFailed if the password is wrong."""
        await self._connection.check(timeout)
        await self._connection.call(self._users.DeleteMe, DeleteMeRequest(password=password), timeout, renew=False)
        await self._connection.forget()

    async def list_users(self, *, page_size: int = 0, timeout: float | None = None) -> AsyncIterator[User]:
        """Go over all users by name, fetching page by page as they are asked for."""

        async def fetch(page_token: str) -> ListUsersResponse:
            request = ListUsersRequest(page_size=page_size, page_token=page_token)
            return await self._connection.call(self._users.ListUsers, request, timeout)

        async for page in pages(fetch):
            for user in page.users:
                yield user

    async def get_user(
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
        return (await self._connection.call(self._users.GetUser, request, timeout)).user

    async def set_privilege(
        self,
        privilege: Privilege.ValueType,
        *,
        username: str | None = None,
        user_id: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """Set what a user may do: PRIVILEGE_LISTENER, PRIVILEGE_EDITOR or PRIVILEGE_ADMIN.

        Raises as get_user, and InvalidUserDetails for another privilege.
        """
        request = _about(SetPrivilegeRequest(privilege=privilege), username, user_id)
        return (await self._connection.call(self._users.SetPrivilege, request, timeout)).user

    async def delete_user(
        self,
        *,
        username: str | None = None,
        user_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Remove a user and all the user's sessions. Raises as get_user."""
        request = _about(DeleteUserRequest(), username, user_id)
        await self._connection.call(self._users.DeleteUser, request, timeout)


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
