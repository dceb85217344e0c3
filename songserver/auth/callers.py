"""Who a session's user is now: a token only names a session, the truth about it is in MongoDB."""

import asyncio

from cachetools import TTLCache

from songserver.errors import SignInFailure
from songserver.rpc import Caller
from songserver.storage.sessions import Sessions
from songserver.storage.users import Users

KNOWN_CALLERS = 16_384


class Callers:
    """Looks up the callers of sessions, and remembers them for a moment.

    What this process changes holds at once; what another one changes (a sign-out, a privilege) after `memory` seconds.
    """

    def __init__(self, users: Users, sessions: Sessions, memory: float) -> None:
        """
        Args:
            users: Where to look up users.
            sessions: Where to look up sessions.
            memory: Seconds for which a caller is remembered.
        """
        self._users = users
        self._sessions = sessions
        self._memory = memory
        self.forget()

    async def get(self, session_id: str, user_id: str) -> Caller:
        """Gives the user of a session that has not ended.

        Raises:
            SignInFailure: If the session has ended, or the user is gone.
        """
        known = self._known
        caller = known.get((session_id, user_id))
        if caller is None:
            alive, user = await asyncio.gather(self._sessions.is_alive(session_id, user_id), self._users.find(user_id))
            if not alive or user is None:
                raise SignInFailure("the session has ended: sign in again")
            caller = known[session_id, user_id] = Caller(user_id, session_id, user.privilege)
        return caller

    def forget(self) -> None:
        """Looks everybody up anew: sessions or privileges have changed."""
        # A new one, so that what a look-up finds that began before the change is not remembered.
        self._known: TTLCache[tuple[str, str], Caller] = TTLCache(KNOWN_CALLERS, self._memory)
