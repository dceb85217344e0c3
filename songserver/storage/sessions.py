"""The collection `sessions`: who is signed in, and the hash of the refresh token that is good now."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import uuid_utils
from bson.datetime_ms import DatetimeMS
from pymongo import DESCENDING
from pymongo.asynchronous.cursor import AsyncCursor

from songs.v1.user_pb2 import SessionInfo
from songserver.errors import RefreshTokenReused, SignInFailure
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import Document, Mongo, now, to_timestamp

TOGETHER = 250
"""Sessions that are looked up at once."""
USED_TOKENS = 1000
"""Earlier refresh tokens of a session that are recognized: a week of them, at one every 10 minutes."""
MOST_SESSIONS = 100
"""Open sessions that a user may have."""
GRACE = 30.0
"""Seconds in which a client that has lost the answer to a refresh may ask again, once, with the same token."""
USER_AGENT_SIZE = 256
"""Characters that are kept of what a client says it is."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who holds a session."""

    address: str
    """Where from, without a port."""
    network: str
    """What of the address stays the same for one client."""
    user_agent: str = ""


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

    async def begin(self, user_id: str, client: Client) -> OpenSession:
        """Begins a session of a user. Of more than `MOST_SESSIONS`, those end that were refreshed longest ago."""
        session = self._next(str(uuid_utils.uuid7()), user_id)
        refreshed = _refreshed(session, client)
        await self._sessions.insert_one(
            {
                "_id": session.session_id,
                "user_id": user_id,
                "created": refreshed["refreshed"],
                "user_agent": client.user_agent[:USER_AGENT_SIZE],
                **refreshed,
            }
        )
        too_many = self._open(user_id, {"_id": True}).skip(MOST_SESSIONS)
        if ended := [found["_id"] async for found in too_many]:
            await self._sessions.delete_many({"_id": {"$in": ended}})
        return session

    async def refresh(self, refresh_token: str, client: Client) -> OpenSession:
        """Goes on with a session; the token it is given is good no more.

        A client that has lost the answer may ask once more: within `GRACE` from the same network, the token that was
        used last is good a second time. The token that was lost is not: whoever comes with it is another party.

        Raises:
            SignInFailure: If the token is not the session's latest one.
            RefreshTokenReused: If it was an earlier one: two parties hold the session, and it ends (RFC 9700, section
                4.14.2).
        """
        session_id, _, _ = refresh_token.partition(".")
        digest = _hash(refresh_token)
        old = await self._sessions.find_one({"_id": session_id, "expires": {"$gt": now()}}, {"used_hashes": False})
        if old is None:
            raise SignInFailure("the session has ended: sign in again")
        session = self._next(session_id, old["user_id"])
        if not await self._rotate(session, client, digest) and not await self._rotate_again(session, client, digest):
            # Either a token that was used before, perhaps a moment ago by a call beside this one, or one made up.
            reused = await self._sessions.delete_one({"_id": session_id, "used_hashes": digest})
            if reused.deleted_count:
                raise RefreshTokenReused(session_id, old["user_id"])
            raise SignInFailure("the refresh token is not one of this server: sign in again")
        return session

    async def _rotate(self, session: OpenSession, client: Client, digest: bytes) -> bool:
        changed = await self._sessions.update_one(
            {"_id": session.session_id, "refresh_hash": digest},
            {
                "$set": {
                    **_refreshed(session, client),
                    "last_used": {"hash": digest, "at": now(), "network": client.network},
                },
                "$push": {"used_hashes": {"$each": [digest], "$slice": -USED_TOKENS}},
            },
        )
        return changed.matched_count == 1

    async def _rotate_again(self, session: OpenSession, client: Client, digest: bytes) -> bool:
        grace_began = DatetimeMS(int((time.time() - GRACE) * 1000))
        changed = await self._sessions.update_one(
            {
                "_id": session.session_id,
                "last_used.hash": digest,
                "last_used.at": {"$gt": grace_began},
                "last_used.network": client.network,
            },
            [
                {
                    "$set": {
                        # The token that was lost counts as used.
                        "used_hashes": {
                            "$slice": [{"$concatArrays": ["$used_hashes", ["$refresh_hash"]]}, -USED_TOKENS]
                        },
                        "last_used": "$$REMOVE",
                    }
                },
                {"$set": {name: {"$literal": value} for name, value in _refreshed(session, client).items()}},
            ],
        )
        return changed.matched_count == 1

    async def is_alive(self, session_id: str, user_id: str) -> bool:
        """Whether the session is this user's and has not ended."""
        return user_id == await self._find_user_coalesced(session_id)

    async def _find_users(self, session_ids: Sequence[str]) -> list[str | None]:
        """Gives the ids of the users of those of these sessions that have not ended."""
        query = {"_id": {"$in": session_ids}, "expires": {"$gt": now()}}
        found = {found["_id"]: found["user_id"] async for found in self._sessions.find(query, {"user_id": True})}
        return [found.get(session_id) for session_id in session_ids]

    async def of_user(self, user_id: str, current: str = "") -> list[SessionInfo]:
        """Lists a user's open sessions, the latest first.

        Args:
            user_id: The user.
            current: The id of the session that asks.
        """
        found = self._open(user_id, {"refresh_hash": False, "used_hashes": False, "last_used": False})
        return [_to_info(document, current) async for document in found.limit(MOST_SESSIONS)]

    def _open(self, user_id: str, fields: Document) -> AsyncCursor[Document]:
        query = {"user_id": user_id, "expires": {"$gt": now()}}
        return self._sessions.find(query, fields).sort([("refreshed", DESCENDING), ("_id", DESCENDING)])

    async def end(self, session_id: str) -> None:
        """Ends a session."""
        await self._sessions.delete_one({"_id": session_id})

    async def end_of_user(self, session_id: str, user_id: str) -> bool:
        """Ends a session if it is this user's; says whether it was."""
        return (await self._sessions.delete_one({"_id": session_id, "user_id": user_id})).deleted_count == 1

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


def _refreshed(session: OpenSession, client: Client) -> Document:
    """What a refresh changes."""
    return {
        "refresh_hash": _hash(session.refresh_token),
        "refreshed": now(),
        "expires": DatetimeMS(int(session.expires * 1000)),
        "peer": client.address,
    }


def _to_info(document: Document, current: str) -> SessionInfo:
    return SessionInfo(
        id=document["_id"],
        create_time=to_timestamp(document["created"]),
        # A session from before this was kept has the time at which it began.
        refresh_time=to_timestamp(document["refreshed"] if "refreshed" in document else document["created"]),
        expire_time=to_timestamp(document["expires"]),
        peer=document.get("peer", ""),
        user_agent=document.get("user_agent", ""),
        current=document["_id"] == current,
    )


def _hash(refresh_token: str) -> bytes:
    # The token has 256 random bits: it needs no salt, nor a slow hash.
    return sha256(refresh_token.encode()).digest()
