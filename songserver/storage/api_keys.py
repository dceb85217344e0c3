"""The collection `api_keys`: what machines may do in a user's stead, and the hash of each key."""

import asyncio
import contextvars
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from bson.datetime_ms import DatetimeMS
from cachetools import TTLCache
from pymongo.errors import PyMongoError

from songs.v1.access_pb2 import Privilege, Scope
from songs.v1.api_key_pb2 import ApiKey
from songserver.errors import TooManyApiKeys
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import Document, Mongo, now, to_timestamp

TOGETHER = 250
"""Keys that are looked up at once."""
MOST = 100
"""Keys of a user."""
USE_NOTED_EVERY = 60.0
"""Seconds for which the use of a key is not written down again."""
KNOWN_USES = 16_384

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Grant:
    """What an API key allows its holder, and until when."""

    user_id: str
    digest: bytes
    """SHA-256 of the key."""
    privilege: Privilege.ValueType
    scopes: frozenset[Scope.ValueType]
    expires: float
    """Seconds since the epoch."""


class ApiKeys:
    """Keeps API keys."""

    def __init__(self, mongo: Mongo) -> None:
        self._keys = mongo.collection("api_keys")
        self._find_coalesced = Coalescer(self._find, most=TOGETHER, timeout=mongo.timeout)
        self._used: TTLCache[str, None] = TTLCache(KNOWN_USES, USE_NOTED_EVERY)
        self._notes: set[asyncio.Task[None]] = set()
        # Noting a use is none of the caller's time.
        self._context = contextvars.copy_context()

    async def create(self, user_id: str, api_key: ApiKey, digest: bytes) -> ApiKey:
        """Keeps a new key. (Within `Audit.record`, which lets no two changes run at the same time.)

        Args:
            user_id: Its maker.
            api_key: The id, the name, the privilege, the scopes and the end of the key.
            digest: SHA-256 of the key.

        Raises:
            TooManyApiKeys: If its maker has as many as a user may have.
        """
        created = now()
        if await self._keys.count_documents({"user_id": user_id, "expires": {"$gt": created}}, limit=MOST) == MOST:
            raise TooManyApiKeys(MOST)
        document = {
            "_id": api_key.id,
            "user_id": user_id,
            "digest": digest,
            "name": api_key.name,
            "privilege": Privilege.Name(api_key.privilege),
            "scopes": [Scope.Name(scope) for scope in api_key.scopes],
            "created": created,
            "expires": DatetimeMS(api_key.expire_time.ToMilliseconds()),
        }
        await self._keys.insert_one(document)
        return _to_api_key(document)

    async def of_user(self, user_id: str) -> list[ApiKey]:
        """Gives a user's keys that have not ended, the latest first."""
        query = {"user_id": user_id, "expires": {"$gt": now()}}
        return [_to_api_key(document) async for document in self._keys.find(query, {"digest": False}).sort("_id", -1)]

    async def find(self, api_key_id: str) -> Grant | None:
        """Gives what a key allows."""
        return await self._find_coalesced(api_key_id)

    async def _find(self, api_key_ids: Sequence[str]) -> list[Grant | None]:
        found = {found["_id"]: _to_grant(found) async for found in self._keys.find({"_id": {"$in": api_key_ids}})}
        return [found.get(api_key_id) for api_key_id in api_key_ids]

    async def end(self, user_id: str, api_key_id: str) -> bool:
        """Ends one of a user's keys; says whether it was there."""
        ended = await self._keys.delete_one({"_id": api_key_id, "user_id": user_id})
        return ended.deleted_count == 1

    async def end_all(self, user_id: str) -> None:
        """Ends all keys of a user."""
        await self._keys.delete_many({"user_id": user_id})

    def note_use(self, api_key_id: str) -> None:
        """Has it written down that a key is used, once a minute, while the call goes on."""
        if api_key_id in self._used:
            return
        self._used[api_key_id] = None
        note = asyncio.get_running_loop().create_task(self._note_use(api_key_id), context=self._context)
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _note_use(self, api_key_id: str) -> None:
        used = now()
        # Another process may have done so just now.
        long_ago = {"$not": {"$gt": DatetimeMS(int(used) - int(USE_NOTED_EVERY * 1000))}}
        try:
            await self._keys.update_one({"_id": api_key_id, "last_use": long_ago}, {"$set": {"last_use": used}})
        except PyMongoError as error:
            log.warning("the use of an API key was not noted", api_key_id=api_key_id, error=str(error)[:500])


def _to_grant(document: Document) -> Grant:
    return Grant(
        user_id=document["user_id"],
        digest=document["digest"],
        privilege=Privilege.Value(document["privilege"]),
        scopes=frozenset(map(Scope.Value, document["scopes"])),
        expires=int(document["expires"]) / 1000,
    )


def _to_api_key(document: Document) -> ApiKey:
    return ApiKey(
        id=document["_id"],
        name=document["name"],
        privilege=Privilege.Value(document["privilege"]),
        scopes=map(Scope.Value, document["scopes"]),
        create_time=to_timestamp(document["created"]),
        expire_time=to_timestamp(document["expires"]),
        last_use_time=to_timestamp(document["last_use"]) if "last_use" in document else None,
    )
