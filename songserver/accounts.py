"""Making users of any privilege: for the operator, who needs nobody's leave."""

from dataclasses import dataclass

from songs.v1.access_pb2 import Privilege
from songs.v1.user_service_pb2 import SignUpRequest
from songserver.auth.passwords import Passwords
from songserver.rules import Rules
from songserver.storage.users import Users


@dataclass(frozen=True, slots=True)
class Accounts:
    """What making users takes."""

    users: Users
    passwords: Passwords
    rules: Rules

    async def create(self, username: str, password: str, privilege: Privilege.ValueType) -> None:
        """Makes a user.

        Raises:
            InvalidRequest: If the name or the password breaks a rule of the contract.
            UsernameExists: If another user has this name.
        """
        request = SignUpRequest(username=username, password=password)
        self.rules.check(request)
        await self.users.create(request.username, await self.passwords.hash(password), privilege)
