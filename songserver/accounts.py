"""Making users of any privilege: for the operator, who needs nobody's leave."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, Privilege
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import SignUpRequest
from songserver.auth.account_rules import AccountRules
from songserver.auth.passwords import Passwords
from songserver.rules import Rules
from songserver.storage.audit import Audit
from songserver.storage.users import Users

FIRST_ADMIN = "admin"

log = structlog.get_logger()


class FirstAdmin(NamedTuple):
    """The account with which a newcomer goes on."""

    username: str
    password: str
    password_file: Path


@dataclass(frozen=True, slots=True)
class Accounts:
    """What making users takes."""

    users: Users
    passwords: Passwords
    rules: Rules
    account_rules: AccountRules
    audit: Audit

    async def create(
        self, username: str, password: str, privilege: Privilege.ValueType, *, action: str = "create-user"
    ) -> User:
        """Makes a user.

        Args:
            username: The name to sign in with.
            password: The password.
            privilege: What the user may do.
            action: What the audit log calls it.

        Raises:
            InvalidRequest: If the name or the password breaks a rule of the contract.
            UsernameExists: If another user has this name.
            DatabaseFailure: If MongoDB is away, or it cannot be recorded in the audit log.
        """
        request = SignUpRequest(username=username, password=password)
        self.rules.check(request)
        self.account_rules.check_username(request.username, "username")
        self.account_rules.check_password(password, request.username, "password")
        password_hash = await self.passwords.hash(password)
        event = AuditEvent(action=action, details={"privilege": Privilege.Name(privilege)})

        async def create() -> User:
            user = await self.users.create(request.username, password_hash, privilege)
            event.target_id = user.id
            return user

        return await self.audit.record(event, create)

    async def make_first_admin(self, password_file: Path) -> FirstAdmin | None:
        """Makes the account `admin` with a random password, if there is no admin yet.

        Args:
            password_file: Where the password is kept, in a file that only its owner can read.
        """
        if await self.users.has_admin():
            return None
        if await self.users.find_by_name(FIRST_ADMIN):
            log.warning("there is no admin, and the name is taken: `songserver create-admin NAME`", name=FIRST_ADMIN)
            return None
        password = secrets.token_urlsafe(12)
        await asyncio.to_thread(_write_secret, password_file, password + "\n")
        await self.create(FIRST_ADMIN, password, PRIVILEGE_ADMIN, action="first-admin")
        return FirstAdmin(FIRST_ADMIN, password, password_file)


def _write_secret(file: Path, secret: str) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(secret)
