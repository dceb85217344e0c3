"""The collection `sign_in_attempts`: passwords that were wrong, or are being checked, by account and by peer.

A password is counted before it is checked, so that however many are tried at once, in however many processes, no more
than the limit are looked at. Whether a key stands for an account that exists makes no difference here.
"""

import asyncio
import time
from hashlib import sha256
from weakref import WeakValueDictionary

from bson.datetime_ms import DatetimeMS
from pymongo import ReturnDocument

from songserver.errors import Overloaded, TooManyAttempts
from songserver.storage.mongo import Document, Mongo, now

CHECK_TIME = 10.0
"""Seconds within which a password that is being checked has been checked; what has not counts as wrong."""
WAIT = 5.0
"""Seconds that an attempt waits for those before it to come out, when they are as many as the limit allows."""
POLL = 0.05
"""Seconds between two looks at whether they have."""


class Attempts:
    """Counts attempts, and refuses them for a while once too many have failed."""

    def __init__(self, mongo: Mongo, lockout: float) -> None:
        """
        Args:
            mongo: Where they are kept.
            lockout: Seconds within which failures are counted together, and for which too many of them lock.
        """
        self._attempts = mongo.collection("sign_in_attempts")
        self._lockout = lockout
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin(self, key: str, attempt: str, limit: int) -> None:
        """Counts one more attempt. It counts as failed unless `succeeded` or `withdraw` says otherwise.

        Args:
            key: Whose it is.
            attempt: The id of the attempt.
            limit: Failures that lock.

        Raises:
            TooManyAttempts: If so many have failed within the last `lockout` seconds.
            Overloaded: If so many are being checked just now, and go on being checked.
        """
        give_up = time.monotonic() + WAIT
        # Within a process in their order: who has just been let in is not let in again before those who wait.
        turn = self._turns.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(WAIT):
                await turn.acquire()
        except TimeoutError:
            raise _too_many_at_once() from None
        try:
            await self._begin(key, attempt, limit, give_up)
        finally:
            turn.release()

    async def _begin(self, key: str, attempt: str, limit: int, give_up: float) -> None:
        while True:
            found = await self._attempts.find_one_and_update(
                {"_id": _hash(key)},
                _one_more(attempt, limit, self._lockout),
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            assert found is not None, "it was put there if it was not"
            if any(counted["id"] == attempt for counted in found["attempts"]):
                return
            if locked := self._locked_for(found, limit):
                raise TooManyAttempts(
                    "too many wrong passwords for this user name or from this address: wait and try again",
                    retry_after=locked,
                )
            if time.monotonic() > give_up:
                raise _too_many_at_once()
            await asyncio.sleep(POLL)

    def _locked_for(self, document: Document, limit: int) -> float:
        """Seconds until the next attempt may be made; 0 if those that are being checked may yet succeed."""
        current = int(now())
        failures = [
            int(counted["at"])
            for counted in document["attempts"]
            if counted["failed"] or int(counted["at"]) < current - CHECK_TIME * 1000
        ]
        if len(failures) < limit:
            return 0.0
        return max(1.0, max(failures) / 1000 + self._lockout - current / 1000)

    async def failed(self, key: str, attempt: str) -> None:
        """Says that an attempt has failed."""
        await self._attempts.update_one(
            {"_id": _hash(key), "attempts.id": attempt}, {"$set": {"attempts.$.failed": True, "attempts.$.at": now()}}
        )

    async def withdraw(self, key: str, attempt: str) -> None:
        """Takes an attempt back that was not one after all, or succeeded where others' failures still count."""
        await self._attempts.update_one({"_id": _hash(key)}, {"$pull": {"attempts": {"id": attempt}}})

    async def succeeded(self, key: str) -> None:
        """Forgets all failures."""
        await self._attempts.delete_one({"_id": _hash(key)})


def _too_many_at_once() -> Overloaded:
    return Overloaded("too many sign-ins at once: try again", retry_after=1)


def _one_more(attempt: str, limit: int, lockout: float) -> list[Document]:
    """The update that adds an attempt if there is room for it, in one step.

    Attempts that are older than the lock-out no longer count. Where the limit is reached, they all count until the last
    of them is as old.
    """
    current = now()
    since = DatetimeMS(int(current) - int(lockout * 1000))
    kept = {"$ifNull": ["$attempts", []]}
    is_full = {"$gte": [{"$size": kept}, limit]}
    counting = {"$filter": {"input": kept, "cond": {"$gt": ["$$this.at", since]}}}
    still_locked = {"$and": [is_full, {"$gt": [{"$max": "$attempts.at"}, since]}]}
    added = {"$concatArrays": ["$attempts", [{"id": attempt, "at": current, "failed": False}]]}
    return [
        {"$set": {"attempts": {"$cond": [still_locked, kept, counting]}}},
        {"$set": {"attempts": {"$cond": [{"$lt": [{"$size": "$attempts"}, limit]}, added, "$attempts"]}}},
        {"$set": {"expires": {"$add": [{"$max": "$attempts.at"}, int(lockout * 1000)]}}},
    ]


def _hash(key: str) -> bytes:
    # One size for all, and no names of people.
    return sha256(key.encode()).digest()
