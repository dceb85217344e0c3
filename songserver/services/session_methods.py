"""Sessions: signing in, going on, signing out. The rules: `protos/songs/v1/user_service.proto`."""

import structlog

from songs.v1 import user_service_pb2 as pb
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2_grpc import UserServiceServicer
from songserver.auth.callers import Callers
from songserver.auth.credentials import Credentials
from songserver.auth.tokens import Tokens
from songserver.errors import RefreshTokenReused, SessionNotFound, SignInFailure
from songserver.rpc import Call
from songserver.services.auditing import event_of
from songserver.storage.audit import Audit
from songserver.storage.sessions import Client, OpenSession, Sessions
from songserver.storage.users import Account, Users

log = structlog.get_logger()


class SessionMethods(UserServiceServicer):
    """The methods of UserService that are about sessions."""

    _users: Users
    _sessions: Sessions
    _credentials: Credentials
    _tokens: Tokens
    _callers: Callers
    _audit: Audit

    async def SignIn(self, request: pb.SignInRequest, call: Call) -> pb.SignInResponse:
        account = await self._credentials.check(request.username, request.password, call)
        session = await self._sessions.begin(account.user.id, _client_of(call))
        latest = await self._users.find_account(account.user.id)
        if latest is None or latest.revision != account.revision:
            # The account was changed while the password was checked, which ended all sessions but this.
            await self._sessions.end(session.session_id)
            raise SignInFailure("the user name or the password is wrong")
        return pb.SignInResponse(session=self._session(session, account), user=account.user)

    async def RefreshSession(self, request: pb.RefreshSessionRequest, call: Call) -> pb.RefreshSessionResponse:
        try:
            session = await self._sessions.refresh(request.refresh_token, _client_of(call))
        except RefreshTokenReused as reused:
            self._callers.forget(reused.session_id)
            log.warning(
                "security",
                what="a refresh token was used again: its session is ended",
                user_id=reused.user_id,
                session_id=reused.session_id,
                peer=call.address,
                request_id=call.request_id,
            )
            event = event_of(call, reused.session_id)
            event.action, event.actor_id = "refresh-token-reused", reused.user_id
            await self._audit.note(event)
            raise
        account = await self._users.find_account(session.user_id)
        if account is None or account.user.disabled:
            await self._sessions.end(session.session_id)
            raise SignInFailure("the session has ended: sign in again")
        return pb.RefreshSessionResponse(session=self._session(session, account))

    async def SignOut(self, request: pb.SignOutRequest, call: Call) -> pb.SignOutResponse:
        if request.everywhere:
            await self._sessions.end_all(call.caller.user_id)
            self._callers.forget(call.caller.user_id)
        else:
            await self._sessions.end(call.caller.session_id)
            self._callers.forget(call.caller.session_id)
        return pb.SignOutResponse()

    async def ListSessions(self, request: pb.ListSessionsRequest, call: Call) -> pb.ListSessionsResponse:
        sessions = await self._sessions.of_user(call.caller.user_id, current=call.caller.session_id)
        return pb.ListSessionsResponse(sessions=sessions)

    async def RevokeSession(self, request: pb.RevokeSessionRequest, call: Call) -> pb.RevokeSessionResponse:
        session_id = request.session_id.lower()
        if not await self._sessions.end_of_user(session_id, call.caller.user_id):
            raise SessionNotFound(f"you have no open session {session_id}: ListSessions has those that there are")
        self._callers.forget(session_id)
        return pb.RevokeSessionResponse()

    async def GetSigningKeys(self, request: pb.GetSigningKeysRequest, call: Call) -> pb.GetSigningKeysResponse:
        return pb.GetSigningKeysResponse(keys=[pb.JsonWebKey(**key) for key in self._tokens.json_web_keys()])

    def _session(self, session: OpenSession, account: Account) -> Session:
        access_token, expires = self._tokens.issue(session.user_id, session.session_id, account.revision)
        message = Session(access_token=access_token, refresh_token=session.refresh_token)
        message.access_token_expire_time.FromSeconds(int(expires))
        message.refresh_token_expire_time.FromSeconds(int(session.expires))
        return message


def _client_of(call: Call) -> Client:
    user_agents = [value for key, value in call.metadata if key == "user-agent"]
    return Client(call.address, call.network, str(user_agents[0]) if user_agents else "")
