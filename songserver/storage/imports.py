"""The collection `imports`: how far each import has come that has an id, and beside it, each in a document of its own,
its last answers.

Songs and the place after them are stored in one transaction, so that neither is there without the other: an import that
is cut at any moment goes on with the first item that is not stored.
"""

from dataclasses import dataclass

from bson.datetime_ms import DatetimeMS
from pymongo import ReturnDocument

from songs.v1.song_service_pb2 import ExistingSongs, ImportResult, ImportSongsResponse
from songs.v1.user_service_pb2 import ImportInfo
from songserver.errors import ImportTakenOver, InvalidDataFormat, Violation, cut
from songserver.storage.mongo import Document, Mongo, now, to_timestamp

MEMORY = 30 * 24 * 3600
"""Seconds for which an import is remembered after its last message."""
RESENT = 8
"""Messages whose results are kept, since a client that was cut may have missed them."""
RESENT_MESSAGE = 300
"""Bytes that are kept of a result's message: neither a document nor a response has room for everything."""


@dataclass
class Progress:
    """How far an import has come, as one stream knows it."""

    key: str
    import_id: str
    turn: int
    """Which stream of the import this is: of several, the last one may go on, as with a fencing token."""
    next_index: int
    """The place of the item that comes next."""
    messages: int
    """How many messages were stored."""


class Imports:
    """Keeps how far imports have come."""

    def __init__(self, mongo: Mongo) -> None:
        self._imports = mongo.collection("imports")

    async def begin(
        self, user_id: str, import_id: str, existing: ExistingSongs.ValueType
    ) -> tuple[Progress, list[ImportResult]]:
        """Begins an import, or goes on with it; streams that had it before can store nothing more.

        Args:
            user_id: Whose it is.
            import_id: The user's name for it.
            existing: What becomes of songs that are there; the same each time.

        Returns:
            How far it has come, and the results of its last messages.

        Raises:
            InvalidDataFormat: If it began otherwise.
        """
        policy = ExistingSongs.Name(existing)
        document = await self._imports.find_one_and_update(
            {"_id": _key(user_id, import_id)},
            {
                "$inc": {"turn": 1},
                "$set": {"expires": _expiry()},
                "$setOnInsert": {"existing": policy, "next_index": 0, "messages": 0},
            },
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        assert document, "it is made if it is not there"
        if document["existing"] != policy:
            raise InvalidDataFormat(
                f"the import {import_id} began with {document['existing']}, not with {policy}: "
                "go on with that, or begin another one",
                violations=[Violation("options.existing", f"must be {document['existing']}, as at the beginning")],
            )
        messages = document["messages"]
        slots = [_slot(document["_id"], number) for number in range(max(0, messages - RESENT), messages)]
        answers = {each["_id"]: each["answer"] async for each in self._imports.find({"_id": {"$in": slots}})}
        # One that is 30 days old may be gone, where the import has begun again since without a message.
        kept = [ImportSongsResponse.FromString(answers[slot]) for slot in slots if slot in answers]
        results = [result for answer in kept for result in answer.results]
        progress = Progress(document["_id"], import_id, document["turn"], document["next_index"], messages)
        return progress, results

    async def advance(self, progress: Progress, answer: ImportSongsResponse) -> None:
        """Stores that a message is done. To be part of the transaction that stores its songs.

        Raises:
            ImportTakenOver: If another stream has begun to go on with the import.
        """
        change: Document = {
            "next_index": answer.next_index,
            "messages": progress.messages + 1,
            "expires": _expiry(),
        }
        result = await self._imports.update_one({"_id": progress.key, "turn": progress.turn}, {"$set": change})
        if not result.matched_count:
            raise ImportTakenOver(progress.import_id)
        # Not all in one document: MongoDB writes it anew for each message.
        slot: Document = {"answer": _brief(answer).SerializeToString(), "expires": change["expires"]}
        await self._imports.replace_one({"_id": _slot(progress.key, progress.messages)}, slot, upsert=True)

    async def of_user(self, user_id: str) -> list[ImportInfo]:
        """Gives a user's imports that are remembered."""
        found = self._imports.find({**_all_of(user_id), "turn": {"$exists": True}}).sort("_id")
        return [
            ImportInfo(
                import_id=document["_id"].removeprefix(_key(user_id)),
                existing=ExistingSongs.Value(document["existing"]),
                next_index=document["next_index"],
                expire_time=to_timestamp(document["expires"]),
            )
            async for document in found
        ]

    async def end_all(self, user_id: str) -> None:
        """Forgets all imports of a user; one that is under way stores nothing more."""
        await self._imports.delete_many(_all_of(user_id))


def _key(user_id: str, import_id: str = "") -> str:
    return f"{user_id}:{import_id}"


def _slot(key: str, message: int) -> str:
    """The id of the document with the answer to a message, later to another one. (No import's id has a slash.)"""
    return f"{key}/{message % RESENT}"


def _all_of(user_id: str) -> Document:
    return {"_id": {"$gt": _key(user_id), "$lt": f"{user_id};"}}


def _brief(answer: ImportSongsResponse) -> ImportSongsResponse:
    """An answer without what may be large in it: the message has said the same."""
    if not any(result.message for result in answer.results):
        return answer
    brief = ImportSongsResponse()
    brief.CopyFrom(answer)
    for result in brief.results:
        result.ClearField("field_violations")
        result.message = cut(result.message, RESENT_MESSAGE)
    return brief


def _expiry() -> DatetimeMS:
    return DatetimeMS(int(now()) + MEMORY * 1000)
