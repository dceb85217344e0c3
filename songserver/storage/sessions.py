"""The collection `sessions`: who is signed in, and the hash of the refresh token that is good now."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import uuid_utils
from bson.datetime_ms import DatetimeMS

from songserver.errors import RefreshTokenReused, SignInFailure
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import Mongo, now

TOGETHER = 250
"""Sessions that are looked up at once."""
USED_TOKENS = 1000
"""Earlier refresh tokens of a session that are recognized: a week of them, at one every 10 minutes."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that began or goes on."""

    session_id: str
    user_id: str
    refresh_token: str
    expires: float
    """Seconds since the epoch at which it ends, if it is not refreshed before."""


class Sessions:
    """Begins, goes on with and ends sessions."""

    def __init__(self, mongo: Mongo, lifetime: float) -> None:
        """
        Args:
            mongo: Where they are kept.
            lifetime: Seconds after which a session ends that is not refreshed.
        """
        self._sessions = mongo.collection("sessions")
        self._lifetime = lifetime
        self._find_user_coalesced = Coalescer(self._find_users, most=TOGETHER, timeout=mongo.timeout)

    async def begin(self, user_id: str) -> OpenSession:
        """Begins a session of a user."""
        session = self._next(str(uuid_utils.uuid7()), user_id)
        await self._sessions.insert_one(
            {
                "_id": session.session_id,
                "user_id": user_id,
                "refresh_hash": _hash(session.refresh_token),
                "created": now(),
                "expires": DatetimeMS(int(session.expires * 1000)),
            }
        )
        return session

    async def refresh(self, refresh_token: str) -> OpenSession:
        """Goes on with a session; the token it is given is good no more.

        Raises:
            SignInFailure: If the token is not the session's latest one.
            RefreshTokenReused: If it was an earlier one: two parties hold the session, and it ends (RFC 9700, section
                4.14.2).
        """
        session_id, _, _ = refresh_token.partition(".")
        digest = _hash(refresh_token)
        old = await self._sessions.find_one({"_id": session_id, "expires": {"$gt": now()}})
        if old is None:
            raise SignInFailure("the session has ended: sign in again")
        session = self._next(session_id, old["user_id"])
        changed = await self._sessions.update_one(
            {"_id": session_id, "refresh_hash": digest},
            {
                "$set": {
                    "refresh_hash": _hash(session.refresh_token),
                    "expires": DatetimeMS(int(session.expires * 1000)),
                },
                "$push": {"used_hashes": {"$each": [digest], "$slice": -USED_TOKENS}},
            },
        )
        if changed.matched_count == 0:
            # Either a token that was used before, perhaps a moment ago by a call beside this one, or one made up.
            reused = await self._sessions.delete_one({"_id": session_id, "used_hashes": digest})
            if reused.deleted_count:
                raise RefreshTokenReused("this refresh token was used before, so the session is ended: sign in again")
            raise SignInFailure("the refresh token is not one of this server: sign in again")
        return session

    async def is_alive(self, session_id: str, user_id: str) -> bool:
        """Whether the session is this user's and has not ended."""
        return user_id == await self._find_user_coalesced(session_id)

    async def _find_users(self, session_ids: Sequence[str]) -> list[str | None]:
        """Gives the ids of the users of those of these sessions that have not ended."""
        query = {"_id": {"$in": session_ids}, "expires": {"$gt": now()}}
        found = {found["_id"]: found["user_id"] async for found in self._sessions.find(query, {"user_id": True})}
        return [found.get(session_id) for session_id in session_ids]

    async def end(self, session_id: str) -> None:
        """Ends a session."""
        await self._sessions.delete_one({"_id": session_id})

    async def end_all(self, user_id: str, *, but: str = "") -> None:
        """Ends all sessions of a user, but for one."""
        await self._sessions.delete_many({"user_id": user_id, "_id": {"$ne": but}})

    def _next(self, session_id: str, user_id: str) -> OpenSession:
        return OpenSession(
            session_id=session_id,
            user_id=user_id,
            refresh_token=f"{session_id}.{secrets.token_urlsafe(32)}",
            expires=time.time() + self._lifetime,
        )


def _hash(refresh_token: str) -> bytes:
    # The token has 256 random bits: it needs no salt, nor a slow hash.
    return sha256(refresh_token.encode()).digest()
