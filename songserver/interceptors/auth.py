"""Who calls, and may they: the access option of the contract, enforced before anything else is looked at."""

from songs.v1.access_pb2 import PRIVILEGE_PUBLIC, Privilege
from songserver.auth.callers import Callers
from songserver.auth.tokens import Claims, Tokens
from songserver.errors import PrivilegeError, SignInFailure
from songserver.rpc import Call, Caller, Handler, Method, Receive

SCHEME = "bearer "


class Auth:
    """Lets public methods through; for the others wants a good access token of a user with enough privilege."""

    def __init__(self, tokens: Tokens, callers: Callers) -> None:
        self._tokens = tokens
        self._callers = callers

    async def __call__(self, call: Call, proceed: Handler) -> None:
        """Lets the call proceed, with `call.user` set unless the method is public.

        Raises:
            SignInFailure: If the token is missing, expired, forged or revoked.
            UserParseError: If the token's claims are not a user's.
            PrivilegeError: If the user's privilege is less than the method needs.
        """
        needed = call.method.access
        if needed != PRIVILEGE_PUBLIC:
            claims = self._tokens.verify(_bearer_token(call))
            call.user = await self._may(claims, call.method)
            if call.method.client_streaming:
                call.receive = self._while_allowed(call.receive, claims, call.method)
        await proceed(call)

    async def _may(self, claims: Claims, method: Method) -> Caller:
        caller = await self._callers.get(claims)
        if caller.privilege < method.access:
            raise PrivilegeError(
                f"{method.name} needs {Privilege.Name(method.access)}, and you have "
                f"{Privilege.Name(caller.privilege)}: ask an admin for it"
            )
        return caller

    def _while_allowed(self, receive: Receive, claims: Claims, method: Method) -> Receive:
        """A stream may go on for hours: it ends with the session, or the privilege, that it began with."""

        async def receive_while_allowed() -> object:
            request = await receive()
            await self._may(claims, method)
            return request

        return receive_while_allowed


def _bearer_token(call: Call) -> str:
    values = [value for key, value in call.metadata if key == "authorization"]
    if not values:
        raise SignInFailure("not signed in: send the metadata 'authorization: Bearer <access token>'")
    if len(values) > 1:
        raise SignInFailure("more than one authorization header: send one")
    (value,) = values
    if not isinstance(value, str) or value[: len(SCHEME)].lower() != SCHEME:
        raise SignInFailure("the authorization header is not of the form 'Bearer <access token>'")
    return value[len(SCHEME) :].strip()
