"""The indexes of all collections. Made at start; making one that is there does nothing."""

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from songserver.errors import DatabaseFailure
from songserver.storage.mongo import Mongo, database_within, reason
from songserver.storage.users import ADMIN
from songserver.storage.vocabulary import BEGINNINGS

SONGS = [
    IndexModel("identity", name="identity", unique=True),
    IndexModel("request", name="request", unique=True, partialFilterExpression={"request": {"$exists": True}}),
    IndexModel([("words", ASCENDING), ("popularity", DESCENDING)], name="search"),
    IndexModel([("keys.title", ASCENDING), ("_id", ASCENDING)], name="by_title"),
    IndexModel([("keys.artist", ASCENDING), ("_id", ASCENDING)], name="by_artist"),
    IndexModel([("keys.release_date", ASCENDING), ("_id", ASCENDING)], name="by_release_date"),
    IndexModel([("keys.artists", ASCENDING), ("_id", ASCENDING)], name="of_artist"),
    IndexModel([("keys.album", ASCENDING), ("_id", ASCENDING)], name="of_album"),
    IndexModel([("keys.genres", ASCENDING), ("_id", ASCENDING)], name="of_genre"),
    IndexModel([("created_by", ASCENDING), ("_id", ASCENDING)], name="of_creator"),
    IndexModel("isrc", name="of_isrc", partialFilterExpression={"isrc": {"$exists": True}}),
]
REDIRECTS = [IndexModel("to", name="to")]
USERS = [
    IndexModel("key", name="key", unique=True),
    IndexModel("privilege", name="admins", partialFilterExpression=ADMIN),
    # An account from before it was kept has none, if it looks like another one.
    IndexModel("skeleton", name="skeleton", unique=True, partialFilterExpression={"skeleton": {"$exists": True}}),
]
SIGN_IN_ATTEMPTS = [IndexModel("expires", name="expiry", expireAfterSeconds=0)]
SESSIONS = [
    IndexModel("user_id", name="of_user"),
    # MongoDB itself removes a session once its time has come.
    IndexModel("expires", name="expiry", expireAfterSeconds=0),
]

API_KEYS = [
    IndexModel("user_id", name="of_user"),
    IndexModel("expires", name="expiry", expireAfterSeconds=0),
]
IMPORTS = [IndexModel("expires", name="expiry", expireAfterSeconds=0)]
VOCABULARY = [IndexModel(BEGINNINGS, name="beginnings"), IndexModel("near", name="near")]
AUDIT = [
    IndexModel([("actor_id", ASCENDING), ("action", ASCENDING), ("_id", ASCENDING)], name="of_actor_action"),
    IndexModel([("actor_id", ASCENDING), ("_id", ASCENDING)], name="of_actor"),
    IndexModel([("target_id", ASCENDING), ("_id", ASCENDING)], name="of_target"),
    IndexModel([("action", ASCENDING), ("_id", ASCENDING)], name="of_action"),
    IndexModel([("time", ASCENDING), ("_id", ASCENDING)], name="by_time"),
]


async def make_indexes(mongo: Mongo) -> None:
    """Makes all indexes that are not there yet.

    Raises:
        DatabaseFailure: If MongoDB is away, does not let us, or has an index of another make under the same name.
    """
    try:
        with database_within(BUILD_TIME):
            songs = mongo.collection("songs")
            await songs.create_indexes(SONGS)
            # What a song was before a change: who watches those of a filter is told whether it was one of them.
            await songs.database.command("collMod", "songs", changeStreamPreAndPostImages={"enabled": True})
            await mongo.collection("redirects").create_indexes(REDIRECTS)
            await mongo.collection("users").create_indexes(USERS)
            await mongo.collection("sessions").create_indexes(SESSIONS)
            await mongo.collection("sign_in_attempts").create_indexes(SIGN_IN_ATTEMPTS)
            await mongo.collection("api_keys").create_indexes(API_KEYS)
            await mongo.collection("imports").create_indexes(IMPORTS)
            await mongo.collection("vocabulary").create_indexes(VOCABULARY)
            await mongo.collection("audit").create_indexes(AUDIT)
            # What the audit log's first transaction needs to be there.
            head = mongo.collection("audit_head")
            await head.update_one({"_id": "head"}, {"$setOnInsert": {"turns": 0}}, upsert=True)
    except OperationFailure as error:
        raise DatabaseFailure(f"MongoDB does not make an index: {reason(error)} (6.0 or newer is needed)") from error


BUILD_TIME = 3600.0
"""Seconds: on a collection that is large already, a new index takes a while."""
