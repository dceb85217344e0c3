"""The collection `users`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
import uuid_utils
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, Privilege
from songs.v1.user_pb2 import User
from songserver.auth.usernames import Skeletons
from songserver.errors import LastAdmin, UsernameExists
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import Document, Mongo, database_within, now, to_timestamp
from songserver.text import folded

log = structlog.get_logger()

ONCE = 3600.0
"""Seconds for what is done once, at the first start of a newer version."""
TOGETHER = 250
"""Users that are looked up at once."""
WITHOUT_PASSWORD = {"password_hash": False}
ADMIN: Document = {"privilege": Privilege.Name(PRIVILEGE_ADMIN)}


@dataclass(frozen=True, slots=True)
class Account:
    """A user, with what the server alone knows."""

    user: User
    password_hash: str = field(repr=False)
    revision: int
    """Goes up with each change of what tokens stand for: password, privilege, whether the user is disabled."""


class Users:
    """Keeps accounts. Names are compared folded: `Alice` and `alice` are one."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._users = mongo.collection("users")
        self._skeletons = Skeletons()
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
            "skeleton": self._skeletons.skeleton(username),
            "display_name": display_name,
            "privilege": Privilege.Name(privilege),
            "password_hash": password_hash,
            "revision": 1,
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

    async def find_account(self, user_id: str) -> Account | None:
        """Gives the account with this id."""
        return _to_account_or_none(await self._find_coalesced(user_id))

    async def _find(self, user_ids: Sequence[str]) -> list[Document | None]:
        found = {found["_id"]: found async for found in self._users.find({"_id": {"$in": user_ids}})}
        return [found.get(user_id) for user_id in user_ids]

    async def find_by_name(self, username: str) -> User | None:
        """Gives the user with this name."""
        return _to_user_or_none(await self._users.find_one({"key": folded(username)}, WITHOUT_PASSWORD))

    async def find_account_by_name(self, username: str) -> Account | None:
        """Gives the account with this name."""
        return _to_account_or_none(await self._users.find_one({"key": folded(username)}))

    async def rehash(self, user_id: str, old_hash: str, new_hash: str) -> None:
        """Keeps another hash of the same password, unless that has changed meanwhile. A failure is only logged."""
        try:
            await self._users.update_one(
                {"_id": user_id, "password_hash": old_hash}, {"$set": {"password_hash": new_hash}}
            )
        except PyMongoError as error:
            log.warning("the hash of a password could not be renewed", user_id=user_id, error=str(error)[:500])

    async def add_skeletons(self) -> None:
        """Adds what names look like to accounts from before it was kept; not to one that looks like another."""
        with database_within(ONCE):
            async for user in self._users.find({"skeleton": {"$exists": False}}, {"username": True}):
                skeleton = self._skeletons.skeleton(user["username"])
                try:
                    await self._users.update_one({"_id": user["_id"]}, {"$set": {"skeleton": skeleton}})
                except DuplicateKeyError:
                    log.warning("the names of two users look the same", user_id=user["_id"])

    async def has_admin(self) -> bool:
        """Whether there is any admin."""
        return await self._users.find_one(ADMIN, {"_id": True}) is not None

    async def update(
        self,
        user_id: str,
        *,
        username: str | None = None,
        display_name: str | None = None,
        password_hash: str | None = None,
    ) -> User | None:
        """Changes what is given, and gives the user as it then is; None if there is no such user.

        Raises:
            UsernameExists: If another user has the new name.
        """
        changes: Document = {"updated": now()}
        if username is not None:
            skeleton = self._skeletons.skeleton(username)
            changes |= {"username": username, "key": folded(username), "skeleton": skeleton}
        if display_name is not None:
            changes["display_name"] = display_name
        if password_hash is not None:
            changes["password_hash"] = password_hash
        try:
            document = await self._users.find_one_and_update(
                {"_id": user_id},
                {"$set": changes} | ({"$inc": {"revision": 1}} if password_hash is not None else {}),
                projection=WITHOUT_PASSWORD,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            raise _taken(str(username)) from error
        return _to_user_or_none(document)

    async def set_privilege(self, user_id: str, privilege: Privilege.ValueType) -> User | None:
        """Gives a user another privilege, and gives the user as it then is; None if there is no such user.

        Raises:
            LastAdmin: If it is taken from the last admin who can sign in.
        """
        return await self._set(user_id, {"privilege": Privilege.Name(privilege)})

    async def set_disabled(self, user_id: str, *, disabled: bool) -> User | None:
        """Disables or enables a user, and gives the user as it then is; None if there is no such user.

        Raises:
            LastAdmin: If the last admin who can sign in is disabled.
        """
        return await self._set(user_id, {"disabled": disabled})

    async def _set(self, user_id: str, values: Document) -> User | None:
        changes = values | {"updated": now()}

        async def change() -> User | None:
            before = await self._users.find_one_and_update(
                {"_id": user_id}, {"$set": changes, "$inc": {"revision": 1}}, projection=WITHOUT_PASSWORD
            )
            if before is None:
                return None
            after = before | changes
            if _is_admin(before) and not _is_admin(after):
                await self._keep_an_admin()
            return _to_user(after)

        return await self._mongo.in_transaction(change)

    async def delete(self, user_id: str) -> bool:
        """Removes an account; says whether it was there.

        Raises:
            LastAdmin: If it is the last admin who can sign in.
        """

        async def delete() -> bool:
            gone = await self._users.find_one_and_delete({"_id": user_id}, projection=WITHOUT_PASSWORD)
            if gone and _is_admin(gone):
                await self._keep_an_admin()
            return gone is not None

        return await self._mongo.in_transaction(delete)

    async def _keep_an_admin(self) -> None:
        """Holds on to one of the admins that are left, by writing to it: of two admins that go at the same time, each
        because the other stays, MongoDB lets one go only.
        """
        kept = await self._users.update_one(ADMIN | {"disabled": {"$ne": True}}, {"$inc": {"kept": 1}})
        if kept.matched_count == 0:
            raise LastAdmin

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


def _is_admin(document: Document) -> bool:
    """Whether it is an admin who can sign in."""
    return document["privilege"] == ADMIN["privilege"] and not document.get("disabled", False)


def _taken(username: str) -> UsernameExists:
    return UsernameExists(f"the user name {username!r} is taken, or looks like one that is: choose another one")


def _to_user_or_none(document: Document | None) -> User | None:
    return _to_user(document) if document else None


def _to_account_or_none(document: Document | None) -> Account | None:
    return Account(_to_user(document), document["password_hash"], document.get("revision", 0)) if document else None


def _to_user(document: Document) -> User:
    return User(
        id=document["_id"],
        username=document["username"],
        display_name=document["display_name"],
        privilege=Privilege.Value(document["privilege"]),
        create_time=to_timestamp(document["created"]),
        update_time=to_timestamp(document["updated"]),
        disabled=document.get("disabled", False),
    )
