"""Who calls: a token only names a session, an API key itself; the truth about them and their user is in MongoDB."""

import asyncio
import hmac
import time
from dataclasses import dataclass

from cachetools import LRUCache

from songserver.auth.api_keys import PresentedKey
from songserver.auth.tokens import Claims
from songserver.errors import SignInFailure
from songserver.rpc import Caller
from songserver.storage.api_keys import ApiKeys, Grant
from songserver.storage.sessions import Sessions
from songserver.storage.users import Users

KNOWN_CALLERS = 16_384


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    revision: int
    asked: float
    """When the look-up began, on the monotonic clock: what has changed since is not in it."""
    grant: Grant | None = None
    """Of an API key: what it allows."""


class Callers:
    """Looks up who a session or an API key stands for, and remembers them for a while.

    What this process changes holds at once. What another one changes holds as soon as the change stream tells of it
    (`storage/changes.py` calls `forget`) and, if it does not, after `memory` seconds.
    """

    def __init__(self, users: Users, sessions: Sessions, api_keys: ApiKeys, memory: float) -> None:
        """
        Args:
            users: Where to look up users.
            sessions: Where to look up sessions.
            api_keys: Where to look up API keys.
            memory: Seconds for which a caller is remembered.
        """
        self._users = users
        self._sessions = sessions
        self._api_keys = api_keys
        self._memory = memory
        self._known: LRUCache[str, _Known] = LRUCache(KNOWN_CALLERS)
        self._changed: dict[str, float] = {}
        self._all_changed = 0.0

    async def get(self, claims: Claims) -> Caller:
        """Gives the user of a session that has not ended.

        Args:
            claims: What the access token says. One of a later revision than is known of the user has it looked up anew.

        Raises:
            SignInFailure: If the session has ended, or the user is gone or disabled.
        """
        known = self._known.get(claims.session_id)
        if (
            known is None
            or known.caller.user_id != claims.user_id
            or known.revision < claims.revision
            or not self._holds(known, claims.session_id)
        ):
            known = self._known[claims.session_id] = await self._look_up(claims)
        return known.caller

    async def get_by_api_key(self, presented: PresentedKey) -> Caller:
        """Gives the maker of an API key that has not ended, with what of the maker's privilege the key has.

        Raises:
            SignInFailure: If the key was never made, is revoked or has expired; if its maker is gone or disabled.
        """
        known = self._known.get(presented.api_key_id)
        if known is None or not self._holds(known, presented.api_key_id):
            known = await self._look_up_key(presented)
        # Each time: this may not be the key with which it was looked up, or it has expired since.
        _check(presented, known.grant)
        self._api_keys.note_use(presented.api_key_id)
        return known.caller

    def _holds(self, known: _Known, holder_id: str) -> bool:
        """Whether nothing has changed of a session or an API key, and its user, since it was looked up."""
        return (
            known.asked > self._all_changed
            and known.asked > self._changed.get(known.caller.user_id, 0.0)
            and known.asked > self._changed.get(holder_id, 0.0)
            and time.monotonic() - known.asked < self._memory
        )

    async def _look_up(self, claims: Claims) -> _Known:
        asked = time.monotonic()
        alive, account = await asyncio.gather(
            self._sessions.is_alive(claims.session_id, claims.user_id), self._users.find_account(claims.user_id)
        )
        if not alive or account is None or account.user.disabled:
            raise SignInFailure("the session has ended: sign in again")
        caller = Caller(claims.user_id, claims.session_id, account.user.privilege)
        # A token may be ahead of a database that was brought back from a backup.
        return _Known(caller, max(account.revision, claims.revision), asked)

    async def _look_up_key(self, presented: PresentedKey) -> _Known:
        asked = time.monotonic()
        grant = _check(presented, await self._api_keys.find(presented.api_key_id))
        account = await self._users.find_account(grant.user_id)
        if account is None or account.user.disabled:
            raise SignInFailure("the user who has made this API key is gone or disabled")
        privilege = min(grant.privilege, account.user.privilege)
        caller = Caller(grant.user_id, "", privilege, presented.api_key_id, grant.scopes)
        known = self._known[presented.api_key_id] = _Known(caller, account.revision, asked, grant)
        return known

    def forget(self, changed_id: str = "") -> None:
        """Looks up anew: something has changed.

        Args:
            changed_id: The user, the session or the API key that has changed; empty for everybody.
        """
        if not changed_id or len(self._changed) >= KNOWN_CALLERS:
            self._changed.clear()
            self._all_changed = time.monotonic()
        else:
            self._changed[changed_id] = time.monotonic()


def _check(presented: PresentedKey, grant: Grant | None) -> Grant:
    if grant is None or not hmac.compare_digest(grant.digest, presented.digest) or grant.expires <= time.time():
        raise SignInFailure("the API key is not valid: it was revoked, has expired, or was never made")
    return grant
