"""Who calls, and may they: the access option of the contract, enforced before anything else is looked at."""

from google.protobuf.message import Message

from songs.v1.access_pb2 import PRIVILEGE_PUBLIC, SCOPE_UNSPECIFIED, Privilege, Scope
from songserver.auth.api_keys import PREFIX, PresentedKey, read_api_key
from songserver.auth.callers import Callers
from songserver.auth.tokens import Claims, Tokens
from songserver.errors import PrivilegeError, SignInFailure
from songserver.rpc import Call, Caller, Handler, Method, Receive, Send

SCHEME = "bearer "


class Auth:
    """Lets public methods through; for the others wants a good access token of a user with enough privilege, or an
    API key that is for them.
    """

    def __init__(self, tokens: Tokens, callers: Callers) -> None:
        self._tokens = tokens
        self._callers = callers

    async def __call__(self, call: Call, proceed: Handler) -> None:
        """Lets the call proceed, with `call.user` set unless the method is public.

        Raises:
            SignInFailure: If the token or the API key is missing, expired, forged or revoked.
            UserParseError: If the token's claims are not a user's.
            PrivilegeError: If the privilege is less than the method needs, or an API key is not for it.
        """
        needed = call.method.access
        if needed != PRIVILEGE_PUBLIC:
            presented = self._read(_bearer_token(call))
            call.user = await self._may(presented, call.method)
            if call.method.client_streaming:
                call.receive = self._while_allowed(call.receive, presented, call.method)
            elif call.method.server_streaming:
                call.send = self._only_if_allowed(call.send, presented, call.method)
        await proceed(call)

    def _read(self, token: str) -> Claims | PresentedKey:
        # An access token, which is a JWT, begins with "ey".
        return read_api_key(token) if token.startswith(PREFIX) else self._tokens.verify(token)

    async def _may(self, presented: Claims | PresentedKey, method: Method) -> Caller:
        if isinstance(presented, PresentedKey):
            caller = await self._callers.get_by_api_key(presented)
        else:
            caller = await self._callers.get(presented)
        if caller.privilege < method.access:
            raise PrivilegeError(
                f"{method.name} needs {Privilege.Name(method.access)}, and you have "
                f"{Privilege.Name(caller.privilege)}: ask an admin for it"
            )
        if caller.scopes is not None and method.scope not in caller.scopes:
            raise PrivilegeError(
                f"{method.name} takes a session: sign in"
                if method.scope == SCOPE_UNSPECIFIED
                else f"{method.name} needs {Scope.Name(method.scope)}, which this API key has not: make another one"
            )
        return caller

    def _while_allowed(self, receive: Receive, presented: Claims | PresentedKey, method: Method) -> Receive:
        """A stream may go on for hours: it ends with the session, the key, or the privilege, that it began with."""

        async def receive_while_allowed() -> object:
            request = await receive()
            await self._may(presented, method)
            return request

        return receive_while_allowed

    def _only_if_allowed(self, send: Send, presented: Claims | PresentedKey, method: Method) -> Send:
        """The same for a stream of answers."""

        async def send_if_allowed(response: Message) -> None:
            await self._may(presented, method)
            await send(response)

        return send_if_allowed


def _bearer_token(call: Call) -> str:
    values = [value for key, value in call.metadata if key == "authorization"]
    if not values:
        raise SignInFailure("not signed in: send the metadata 'authorization: Bearer <access token or API key>'")
    if len(values) > 1:
        raise SignInFailure("more than one authorization header: send one")
    (value,) = values
    if not isinstance(value, str) or value[: len(SCHEME)].lower() != SCHEME:
        raise SignInFailure("the authorization header is not of the form 'Bearer <access token>'")
    return value[len(SCHEME) :].strip()
