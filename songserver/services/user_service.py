"""UserService: what each operation on accounts and sessions means. Its rules: `protos/songs/v1/user_service.proto`."""

from collections.abc import AsyncIterator

from songs.v1 import user_service_pb2 as pb
from songs.v1.access_pb2 import Privilege
from songserver.auth.account_rules import AccountRules
from songserver.auth.callers import Callers
from songserver.auth.credentials import Credentials
from songserver.auth.passwords import Passwords
from songserver.auth.tokens import Tokens
from songserver.paging import PageTokens
from songserver.rpc import Call
from songserver.rules import Rules
from songserver.services.auditing import event_of
from songserver.services.exporting import Exporting
from songserver.services.masks import masked
from songserver.services.session_methods import SessionMethods
from songserver.services.user_admin_methods import UserAdminMethods, there
from songserver.storage.api_keys import ApiKeys
from songserver.storage.audit import Audit
from songserver.storage.imports import Imports
from songserver.storage.sessions import Sessions
from songserver.storage.users import Users

EDITABLE = frozenset({"username", "display_name"})
"""Fields of a user that the user may change."""


class UserService(SessionMethods, UserAdminMethods):
    """Keeps accounts and sessions. What is here is about the caller's own account."""

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        passwords: Passwords,
        credentials: Credentials,
        account_rules: AccountRules,
        tokens: Tokens,
        callers: Callers,
        page_tokens: PageTokens,
        rules: Rules,
        sign_up_privilege: Privilege.ValueType,
        api_keys: ApiKeys,
        audit: Audit,
        imports: Imports,
        exporting: Exporting,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._credentials = credentials
        self._account_rules = account_rules
        self._tokens = tokens
        self._callers = callers
        self._page_tokens = page_tokens
        self._rules = rules
        self._sign_up_privilege = sign_up_privilege
        self._api_keys = api_keys
        self._audit = audit
        self._imports = imports
        self._exporting = exporting

    async def SignUp(self, request: pb.SignUpRequest, call: Call) -> pb.SignUpResponse:
        self._account_rules.check_username(request.username, "username")
        self._account_rules.check_password(request.password, request.username, "password")
        with self._passwords.room():
            password_hash = await self._passwords.hash(request.password)
        user = await self._users.create(request.username, password_hash, self._sign_up_privilege, request.display_name)
        return pb.SignUpResponse(user=user)

    async def GetMe(self, request: pb.GetMeRequest, call: Call) -> pb.GetMeResponse:
        return pb.GetMeResponse(user=await self._user(user_id=call.caller.user_id))

    async def UpdateMe(self, request: pb.UpdateMeRequest, call: Call) -> pb.UpdateMeResponse:
        current = await self._user(user_id=call.caller.user_id)
        changed = masked(current, request.user, request.update_mask, EDITABLE)
        self._rules.check(changed, at="user")
        if changed.username != current.username:
            self._account_rules.check_username(changed.username, "user.username")
        user = await self._users.update(
            current.id,
            username=changed.username if changed.username != current.username else None,
            display_name=changed.display_name if changed.display_name != current.display_name else None,
        )
        return pb.UpdateMeResponse(user=there(user, current.id))

    async def ChangePassword(self, request: pb.ChangePasswordRequest, call: Call) -> pb.ChangePasswordResponse:
        account = await self._credentials.confirm(request.current_password, call)
        self._account_rules.check_password(request.new_password, account.user.username, "new_password")
        user_id, session_id = call.caller.user_id, call.caller.session_id
        with self._passwords.room():
            password_hash = await self._passwords.hash(request.new_password)

        async def change() -> None:
            there(await self._users.update(user_id, password_hash=password_hash), user_id)
            await self._sessions.end_all(user_id, but=session_id)

        await self._audit.record(event_of(call, user_id), change)
        # Once more, for who signed in with the old one while it was changed.
        await self._sessions.end_all(user_id, but=session_id)
        self._callers.forget(user_id)
        return pb.ChangePasswordResponse()

    async def DeleteMe(self, request: pb.DeleteMeRequest, call: Call) -> pb.DeleteMeResponse:
        await self._credentials.confirm(request.password, call)
        await self._delete(call, await self._user(call.caller.user_id))
        return pb.DeleteMeResponse()

    async def ExportMe(self, request: pb.ExportMeRequest, call: Call) -> AsyncIterator[pb.ExportMeResponse]:
        async for response in self._exporting.run(call.caller):
            yield response
