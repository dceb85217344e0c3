"""The calls of UserService that are for everyone: the own account and its sessions."""

from collections.abc import AsyncIterator
from contextlib import suppress

from google.protobuf.field_mask_pb2 import FieldMask

from songclient.aio.connection import AsyncConnection
from songclient.errors import SignInFailed
from songs.v1.user_pb2 import SessionInfo, User
from songs.v1.user_service_pb2 import (
    ChangePasswordRequest,
    DeleteMeRequest,
    ExportMeRequest,
    ExportMeResponse,
    GetMeRequest,
    GetSigningKeysRequest,
    JsonWebKey,
    ListSessionsRequest,
    RevokeSessionRequest,
    SignOutRequest,
    SignUpRequest,
    UpdateMeRequest,
)


class AsyncAccountCalls:
    """Keeps the own account and its sessions."""

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
        """Begin a session, in place of the one there is.

        Raises SignInFailed, or TooManyAttempts after some wrong passwords.
        """
        return (await self._connection.sign_in(username, password, timeout)).user

    async def refresh_session(self, *, timeout: float | None = None) -> None:
        """Renew the session now, or begin it, where a call would do so only when it must.

        Does nothing if there is neither a session nor a user name. Raises SignInFailed if the
        session is over.
        """
        await self._connection.refresh(timeout)

    async def sign_out(self, *, everywhere: bool = False, timeout: float | None = None) -> None:
        """End the session, and forget user name and password, or the API key.

        `everywhere` ends all sessions of the user, on all devices; that raises SignInFailed if this
        one is over.
        """
        if everywhere:
            await self._connection.call(self._users.SignOut, SignOutRequest(everywhere=True), timeout)
        elif self._connection.signed_in:
            with suppress(SignInFailed):  # It was over already.
                await self._connection.call(self._users.SignOut, SignOutRequest(), timeout)
        await self._connection.forget()

    async def list_sessions(self, *, timeout: float | None = None) -> list[SessionInfo]:
        """List the user's open sessions, the latest first."""
        response = await self._connection.call(self._users.ListSessions, ListSessionsRequest(), timeout)
        return list(response.sessions)

    async def revoke_session(self, session_id: str, *, timeout: float | None = None) -> None:
        """End one of the user's sessions. Raises SessionNotFound, or InvalidDataFormat for no id."""
        request = RevokeSessionRequest(session_id=session_id)
        await self._connection.call(self._users.RevokeSession, request, timeout)

    async def get_signing_keys(self, *, timeout: float | None = None) -> list[JsonWebKey]:
        """Get the public keys that access tokens are signed with, each a JWK; needs no session."""
        return list((await self._connection.send(self._users.GetSigningKeys, GetSigningKeysRequest(), timeout)).keys)

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

        Raises SignInFailed if the current one is wrong, TooManyAttempts after some of these, and
        InvalidUserDetails if the new one breaks a rule.
        """
        request = ChangePasswordRequest(current_password=current, new_password=new)
        # From here on SignInFailed speaks of the password, not of the session.
        await self._connection.check(timeout)
        await self._connection.call(self._users.ChangePassword, request, timeout, renew=False)
        self._connection.change_credentials(password=new)

    async def delete_me(self, password: str, *, timeout: float | None = None) -> None:
        """Remove the own account with all its sessions and API keys; songs stay.

        Raises SignInFailed if the password is wrong, TooManyAttempts after some of these, and LastAdmin.
        """
        await self._connection.check(timeout)
        await self._connection.call(self._users.DeleteMe, DeleteMeRequest(password=password), timeout, renew=False)
        await self._connection.forget()

    async def export_me(self, *, timeout: float | None = None) -> AsyncIterator[ExportMeResponse]:
        """Go over all that is kept about the user, the account first.

        `timeout` is of the whole, which has none by default.
        """
        async for item in self._connection.stream(self._users.ExportMe, ExportMeRequest(), timeout):
            yield item
