"""What admins do with users. The rules: `protos/songs/v1/user_service.proto`."""

from collections.abc import Awaitable, Callable

from songs.v1 import user_service_pb2 as pb
from songs.v1.access_pb2 import Privilege
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2_grpc import UserServiceServicer
from songserver.auth.callers import Callers
from songserver.errors import UserNotFound
from songserver.paging import PageTokens, page_size_of
from songserver.rpc import Call
from songserver.services.auditing import event_of
from songserver.storage.api_keys import ApiKeys
from songserver.storage.audit import Audit
from songserver.storage.imports import Imports
from songserver.storage.sessions import Sessions
from songserver.storage.users import Users


class UserAdminMethods(UserServiceServicer):
    """The methods of UserService that are for admins."""

    _users: Users
    _sessions: Sessions
    _api_keys: ApiKeys
    _audit: Audit
    _imports: Imports
    _callers: Callers
    _page_tokens: PageTokens

    async def ListUsers(self, request: pb.ListUsersRequest, call: Call) -> pb.ListUsersResponse:
        size = page_size_of(request.page_size, default=50, most=1000)
        (after,) = self._page_tokens.read(request) if request.page_token else ("",)
        users, last = await self._users.page(after, size)
        token = self._page_tokens.write(request, [last]) if last else ""
        return pb.ListUsersResponse(users=users, next_page_token=token)

    async def GetUser(self, request: pb.GetUserRequest, call: Call) -> pb.GetUserResponse:
        return pb.GetUserResponse(user=await self._user(request.user_id, request.username))

    async def SetPrivilege(self, request: pb.SetPrivilegeRequest, call: Call) -> pb.SetPrivilegeResponse:
        user = await self._user(request.user_id, request.username)
        changed = await self._change(
            call,
            user.id,
            lambda: self._users.set_privilege(user.id, request.privilege),
            privilege=Privilege.Name(request.privilege),
        )
        return pb.SetPrivilegeResponse(user=changed)

    async def DisableUser(self, request: pb.DisableUserRequest, call: Call) -> pb.DisableUserResponse:
        user = await self._user(request.user_id, request.username)

        async def disable() -> User | None:
            disabled = await self._users.set_disabled(user.id, disabled=True)
            await self._sessions.end_all(user.id)
            return disabled

        return pb.DisableUserResponse(user=await self._change(call, user.id, disable))

    async def EnableUser(self, request: pb.EnableUserRequest, call: Call) -> pb.EnableUserResponse:
        user = await self._user(request.user_id, request.username)
        enabled = await self._change(call, user.id, lambda: self._users.set_disabled(user.id, disabled=False))
        return pb.EnableUserResponse(user=enabled)

    async def DeleteUser(self, request: pb.DeleteUserRequest, call: Call) -> pb.DeleteUserResponse:
        user = await self._user(request.user_id, request.username)
        await self._delete(call, user)
        return pb.DeleteUserResponse()

    async def _user(self, user_id: str = "", username: str = "") -> User:
        """The user with this id or, without one, with this name."""
        user = await (self._users.find(user_id.lower()) if user_id else self._users.find_by_name(username))
        return there(user, user_id or username)

    async def _change(
        self, call: Call, user_id: str, change: Callable[[], Awaitable[User | None]], **details: str
    ) -> User:
        """Makes a change to a user, which the audit log has, and which holds from the next call on."""

        async def change_user() -> User:
            return there(await change(), user_id)

        try:
            return await self._audit.record(event_of(call, user_id, **details), change_user)
        finally:
            # Also after a failure: it may have been made all the same.
            self._callers.forget(user_id)

    async def _delete(self, call: Call, user: User) -> None:
        """Removes a user with all that lets anybody call in the user's stead, or go on with what the user began."""

        async def delete() -> User | None:
            there = await self._users.delete(user.id)
            await self._sessions.end_all(user.id)
            await self._api_keys.end_all(user.id)
            await self._imports.end_all(user.id)
            return user if there else None

        await self._change(call, user.id, delete)


def there(user: User | None, name: str) -> User:
    """Gives the user.

    Raises:
        UserNotFound: If there is none.
    """
    if user is None:
        raise UserNotFound(f"there is no user {name!r}")
    return user
