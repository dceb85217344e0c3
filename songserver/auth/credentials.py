"""Whose password it is: what sign-ins, and changes that take the password, ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uuid_utils

from songserver.auth.passwords import Passwords
from songserver.errors import SignInFailure, SongServerError
from songserver.rpc import Call
from songserver.storage.attempts import Attempts
from songserver.storage.users import Account, Users
from songserver.text import folded


@dataclass(frozen=True, slots=True)
class Bounds:
    """Wrong passwords that lock."""

    by_account: int
    by_peer: int


class Credentials:
    """Checks names and passwords, as often as a guesser may.

    Nothing tells whether there is an account: an unknown user, a wrong password and a disabled account take the same
    steps, and so the same time, and fail alike; and a name is locked whether it is anybody's or not.
    """

    def __init__(self, users: Users, passwords: Passwords, attempts: Attempts, bounds: Bounds) -> None:
        self._users = users
        self._passwords = passwords
        self._attempts = attempts
        self._bounds = bounds

    async def check(self, username: str, password: str, call: Call) -> Account:
        """Gives the account with this name and password.

        Raises:
            SignInFailure: If there is none, or it is disabled.
            TooManyAttempts: If the name or the peer is locked.
            Overloaded: If too many passwords are being checked.
        """
        with self._passwords.room():
            account = await self._users.find_account_by_name(username)
            async with self._counted(account.user.id if account else folded(username), call):
                right = await self._passwords.matches(password, account.password_hash if account else None)
                if not right or account is None or account.user.disabled:
                    raise SignInFailure("the user name or the password is wrong")
            await self._keep_hash_up_to_date(account, password)
            return account

    async def confirm(self, password: str, call: Call) -> Account:
        """Gives the account of a caller who knows the password.

        Raises:
            SignInFailure: If it is the wrong one.
            TooManyAttempts: If the account or the peer is locked.
            Overloaded: If too many passwords are being checked.
        """
        with self._passwords.room():
            account = await self._users.find_account(call.caller.user_id)
            async with self._counted(call.caller.user_id, call):
                if not await self._passwords.matches(password, account.password_hash if account else None):
                    raise SignInFailure("the password is wrong")
            assert account is not None, "nobody has a password"
            return account

    @asynccontextmanager
    async def _counted(self, account: str, call: Call) -> AsyncIterator[None]:
        """Counts what is tried in its block before it is, and says afterwards how it came out.

        What is broken off, for whatever reason, stays counted: it cannot be had for nothing.
        """
        account, peer = f"account {account}", f"peer {call.network}"
        attempt = str(uuid_utils.uuid4())
        # Always in this order: who has a place for the account has one for the peer, and goes on.
        await self._attempts.begin(peer, attempt, self._bounds.by_peer)
        try:
            await self._attempts.begin(account, attempt, self._bounds.by_account)
        except SongServerError:
            # Of a database that gave no answer nothing more is asked: it would take as long again.
            await self._attempts.withdraw(peer, attempt)
            raise
        try:
            yield
        except SignInFailure:
            await asyncio.gather(self._attempts.failed(account, attempt), self._attempts.failed(peer, attempt))
            raise
        # The peer's failures still count: else a guesser would sign in as himself now and then.
        await asyncio.gather(self._attempts.succeeded(account), self._attempts.withdraw(peer, attempt))

    async def _keep_hash_up_to_date(self, account: Account, password: str) -> None:
        """Hashes the password anew if the settings ask for more, or less, than when it was hashed."""
        if not self._passwords.is_outdated(account.password_hash):
            return
        new_hash = await self._passwords.hash(password)
        await self._users.rehash(account.user.id, account.password_hash, new_hash)
