"""The collection `users`."""

from collections.abc import Sequence

import uuid_utils
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, Privilege
from songs.v1.user_pb2 import User
from songserver.errors import UsernameExists
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import Document, Mongo, now, to_timestamp
from songserver.text import folded

TOGETHER = 250
"""Users that are looked up at once."""
WITHOUT_PASSWORD = {"password_hash": False}


class Users:
    """Keeps accounts. Names are compared folded: `Alice` and `alice` are one."""

    def __init__(self, mongo: Mongo) -> None:
        self._users = mongo.collection("users")
        self._find_coalesced = Coalescer(self._find, most=TOGETHER, timeout=mongo.timeout)

    async def create(
        self, username: str, password_hash: str, privilege: Privilege.ValueType, display_name: str = ""
    ) -> User:
        """Makes an account.

        Raises:
            UsernameExists: If another user has this name.
        """
        created = now()
        document = {
            "_id": str(uuid_utils.uuid7()),
            "username": username,
            "key": folded(username),
            "display_name": display_name,
            "privilege": Privilege.Name(privilege),
            "password_hash": password_hash,
            "created": created,
            "updated": created,
        }
        try:
            await self._users.insert_one(document)
        except DuplicateKeyError as error:
            raise _taken(username) from error
        return _to_user(document)

    async def find(self, user_id: str) -> User | None:
        """Gives the user with this id."""
        return _to_user_or_none(await self._find_coalesced(user_id))

    async def _find(self, user_ids: Sequence[str]) -> list[Document | None]:
        found = {found["_id"]: found async for found in self._users.find({"_id": {"$in": user_ids}}, WITHOUT_PASSWORD)}
        return [found.get(user_id) for user_id in user_ids]

    async def find_by_name(self, username: str) -> User | None:
        """Gives the user with this name."""
        return _to_user_or_none(await self._users.find_one({"key": folded(username)}, WITHOUT_PASSWORD))

    async def find_with_password(self, username: str) -> tuple[User | None, str | None]:
        """Gives the user with this name, and the hash of the user's password."""
        document = await self._users.find_one({"key": folded(username)})
        return (_to_user(document), document["password_hash"]) if document else (None, None)

    async def password_hash(self, user_id: str) -> str | None:
        """Gives the hash of a user's password."""
        document = await self._users.find_one({"_id": user_id}, {"password_hash": True})
        return document["password_hash"] if document else None

    async def has_admin(self) -> bool:
        """Whether there is any admin."""
        return await self._users.find_one({"privilege": Privilege.Name(PRIVILEGE_ADMIN)}, {"_id": True}) is not None

    async def update(
        self,
        user_id: str,
        *,
        username: str | None = None,
        display_name: str | None = None,
        privilege: Privilege.ValueType | None = None,
        password_hash: str | None = None,
    ) -> User | None:
        """Changes what is given, and gives the user as it then is; None if there is no such user.

        Raises:
            UsernameExists: If another user has the new name.
        """
        changes: Document = {"updated": now()}
        if username is not None:
            changes |= {"username": username, "key": folded(username)}
        if display_name is not None:
            changes["display_name"] = display_name
        if privilege is not None:
            changes["privilege"] = Privilege.Name(privilege)
        if password_hash is not None:
            changes["password_hash"] = password_hash
        try:
            document = await self._users.find_one_and_update(
                {"_id": user_id},
                {"$set": changes},
                projection=WITHOUT_PASSWORD,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            raise _taken(str(username)) from error
        return _to_user_or_none(document)

    async def delete(self, user_id: str) -> bool:
        """Removes an account; says whether it was there."""
        return (await self._users.delete_one({"_id": user_id})).deleted_count == 1

    async def page(self, after: str, size: int) -> tuple[list[User], str]:
        """Lists users by their folded names.

        Args:
            after: The folded name of the last user of the page before; empty for the first page.
            size: How many users at the most.

        Returns:
            The users, and the folded name to go on after; empty if these are the last ones.
        """
        query = {"key": {"$gt": after}} if after else {}
        cursor = self._users.find(query, WITHOUT_PASSWORD).sort("key").limit(size + 1)
        documents = await cursor.to_list()
        page = documents[:size]
        return [_to_user(document) for document in page], page[-1]["key"] if len(documents) > size else ""


def _taken(username: str) -> UsernameExists:
    return UsernameExists(f"the user name {username!r} is taken: choose another one")


def _to_user_or_none(document: Document | None) -> User | None:
    return _to_user(document) if document else None


def _to_user(document: Document) -> User:
    return User(
        id=document["_id"],
        username=document["username"],
        display_name=document["display_name"],
        privilege=Privilege.Value(document["privilege"]),
        create_time=to_timestamp(document["created"]),
        update_time=to_timestamp(document["updated"]),
    )
