"""UserService: what each operation on accounts and sessions means. Its rules: `protos/songs/v1/user_service.proto`."""

from songs.v1 import user_service_pb2 as pb
from songs.v1.access_pb2 import Privilege
from songs.v1.user_pb2 import Session, User
from songs.v1.user_service_pb2_grpc import UserServiceServicer
from songserver.auth.callers import Callers
from songserver.auth.passwords import Passwords
from songserver.auth.tokens import Tokens
from songserver.errors import RefreshTokenReused, SignInFailure, UserNotFound
from songserver.paging import PageTokens, page_size_of
from songserver.rpc import Call
from songserver.rules import Rules
from songserver.services.masks import masked
from songserver.storage.sessions import OpenSession, Sessions
from songserver.storage.users import Users

EDITABLE = frozenset({"username", "display_name"})
"""Fields of a user that the user may change."""


class UserService(UserServiceServicer):
    """Keeps accounts and sessions."""

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        passwords: Passwords,
        tokens: Tokens,
        callers: Callers,
        page_tokens: PageTokens,
        rules: Rules,
        sign_up_privilege: Privilege.ValueType,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._tokens = tokens
        self._callers = callers
        self._page_tokens = page_tokens
        self._rules = rules
        self._sign_up_privilege = sign_up_privilege

    async def SignUp(self, request: pb.SignUpRequest, call: Call) -> pb.SignUpResponse:
        password_hash = await self._passwords.hash(request.password)
        user = await self._users.create(request.username, password_hash, self._sign_up_privilege, request.display_name)
        return pb.SignUpResponse(user=user)

    async def SignIn(self, request: pb.SignInRequest, call: Call) -> pb.SignInResponse:
        user, password_hash = await self._users.find_with_password(request.username)
        if not await self._passwords.matches(request.password, password_hash) or user is None:
            raise SignInFailure("the user name or the password is wrong")
        session = await self._sessions.begin(user.id)
        if await self._users.password_hash(user.id) != password_hash:
            # It was changed while this one was checked, which ended all sessions but this.
            await self._sessions.end(session.session_id)
            raise SignInFailure("the user name or the password is wrong")
        return pb.SignInResponse(session=self._session(session), user=user)

    async def RefreshSession(self, request: pb.RefreshSessionRequest, call: Call) -> pb.RefreshSessionResponse:
        try:
            session = await self._sessions.refresh(request.refresh_token)
        except RefreshTokenReused:
            self._callers.forget()
            raise
        return pb.RefreshSessionResponse(session=self._session(session))

    async def SignOut(self, request: pb.SignOutRequest, call: Call) -> pb.SignOutResponse:
        await self._sessions.end(call.caller.session_id)
        self._callers.forget()
        return pb.SignOutResponse()

    async def GetMe(self, request: pb.GetMeRequest, call: Call) -> pb.GetMeResponse:
        return pb.GetMeResponse(user=await self._user(user_id=call.caller.user_id))

    async def UpdateMe(self, request: pb.UpdateMeRequest, call: Call) -> pb.UpdateMeResponse:
        current = await self._user(user_id=call.caller.user_id)
        changed = masked(current, request.user, request.update_mask, EDITABLE)
        self._rules.check(changed, at="user")
        user = await self._users.update(
            current.id,
            username=changed.username if changed.username != current.username else None,
            display_name=changed.display_name if changed.display_name != current.display_name else None,
        )
        return pb.UpdateMeResponse(user=_there(user, current.id))

    async def ChangePassword(self, request: pb.ChangePasswordRequest, call: Call) -> pb.ChangePasswordResponse:
        await self._confirm(call, request.current_password)
        password_hash = await self._passwords.hash(request.new_password)
        # Before, so that a failure between the two leaves nobody signed in who should not be; and after, for who signed
        # in between.
        await self._sessions.end_all(call.caller.user_id, but=call.caller.session_id)
        await self._users.update(call.caller.user_id, password_hash=password_hash)
        await self._sessions.end_all(call.caller.user_id, but=call.caller.session_id)
        self._callers.forget()
        return pb.ChangePasswordResponse()

    async def DeleteMe(self, request: pb.DeleteMeRequest, call: Call) -> pb.DeleteMeResponse:
        await self._confirm(call, request.password)
        await self._delete(call.caller.user_id)
        return pb.DeleteMeResponse()

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
        changed = await self._users.update(user.id, privilege=request.privilege)
        self._callers.forget()
        return pb.SetPrivilegeResponse(user=_there(changed, user.id))

    async def DeleteUser(self, request: pb.DeleteUserRequest, call: Call) -> pb.DeleteUserResponse:
        user = await self._user(request.user_id, request.username)
        await self._delete(user.id)
        return pb.DeleteUserResponse()

    async def _user(self, user_id: str = "", username: str = "") -> User:
        """The user with this id or, without one, with this name."""
        user = await (self._users.find(user_id.lower()) if user_id else self._users.find_by_name(username))
        return _there(user, user_id or username)

    async def _confirm(self, call: Call, password: str) -> None:
        """Lets the caller go on who knows the password."""
        password_hash = await self._users.password_hash(call.caller.user_id)
        if not await self._passwords.matches(password, password_hash):
            raise SignInFailure("the password is wrong")

    async def _delete(self, user_id: str) -> None:
        await self._users.delete(user_id)
        await self._sessions.end_all(user_id)
        self._callers.forget()

    def _session(self, session: OpenSession) -> Session:
        access_token, expires = self._tokens.issue(session.user_id, session.session_id)
        message = Session(access_token=access_token, refresh_token=session.refresh_token)
        message.access_token_expire_time.FromSeconds(int(expires))
        message.refresh_token_expire_time.FromSeconds(int(session.expires))
        return message


def _there(user: User | None, name: str) -> User:
    if user is None:
        raise UserNotFound(f"there is no user {name!r}")
    return user
