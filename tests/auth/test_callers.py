"""Who a session's user is, and for how long that is remembered."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from songs.v1.access_pb2 import (
    PRIVILEGE_ADMIN,
    PRIVILEGE_EDITOR,
    PRIVILEGE_LISTENER,
    SCOPE_SONGS_READ,
    Privilege,
)
from songs.v1.api_key_pb2 import ApiKey
from songserver.auth.api_keys import PresentedKey, make_api_key, read_api_key
from songserver.auth.callers import Callers
from songserver.auth.tokens import Claims
from songserver.config import Settings
from songserver.errors import SignInFailure
from songserver.storage.api_keys import ApiKeys
from songserver.storage.mongo import Mongo
from songserver.storage.sessions import Client, OpenSession, Sessions
from songserver.storage.users import Users

HERE = Client("127.0.0.1", "127.0.0.1")
Check = Callable[[Users, Sessions, Callers], Awaitable[None]]


def claims(session: OpenSession, revision: int = 1) -> Claims:
    return Claims(session.user_id, session.session_id, 0, revision)


def over_mongodb(settings: Settings, check: Check, memory: float = 60) -> None:
    """Runs a check with stores on a real database."""

    async def run() -> None:
        assert settings.mongodb_uri
        mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, 10)
        users, sessions = Users(mongo), Sessions(mongo, 600)
        try:
            await check(users, sessions, Callers(users, sessions, ApiKeys(mongo), memory))
        finally:
            await mongo.close()

    asyncio.run(run())


def test_a_caller_is_remembered_until_told_to_forget(song_server_settings: Settings) -> None:
    async def check(users: Users, sessions: Sessions, callers: Callers) -> None:
        user = await users.create("somebody", "", PRIVILEGE_LISTENER)
        session = await sessions.begin(user.id, HERE)
        assert (await callers.get(claims(session))).privilege == PRIVILEGE_LISTENER

        await users.set_privilege(user.id, PRIVILEGE_ADMIN)
        assert (await callers.get(claims(session))).privilege == PRIVILEGE_LISTENER

        callers.forget()
        assert (await callers.get(claims(session))).privilege == PRIVILEGE_ADMIN

        await users.create("another", "", PRIVILEGE_ADMIN)
        await users.delete(user.id)
        callers.forget()
        with pytest.raises(SignInFailure):
            await callers.get(claims(session))

    over_mongodb(song_server_settings, check)


def test_what_was_looked_up_before_a_sign_out_is_not_remembered_after_it(song_server_settings: Settings) -> None:
    """A call that came just before a sign-out once kept the session alive in this process for a second."""

    async def check(users: Users, sessions: Sessions, callers: Callers) -> None:
        user = await users.create("somebody", "", PRIVILEGE_LISTENER)
        session = await sessions.begin(user.id, HERE)
        before = asyncio.create_task(callers.get(claims(session)))
        await asyncio.sleep(0)

        callers.forget()
        assert (await before).user_id == user.id
        await sessions.end(session.session_id)

        with pytest.raises(SignInFailure):
            await callers.get(claims(session))

    over_mongodb(song_server_settings, check)


def test_a_session_is_its_own_users_only(song_server_settings: Settings) -> None:
    async def check(users: Users, sessions: Sessions, callers: Callers) -> None:
        one = await users.create("somebody", "", PRIVILEGE_LISTENER)
        other = await users.create("another", "", PRIVILEGE_ADMIN)
        session = await sessions.begin(one.id, HERE)
        await callers.get(claims(session))

        with pytest.raises(SignInFailure):
            await callers.get(Claims(other.id, session.session_id, 0))

    over_mongodb(song_server_settings, check)


def test_only_who_has_changed_is_looked_up_anew(song_server_settings: Settings) -> None:
    async def check(users: Users, sessions: Sessions, callers: Callers) -> None:
        one = await users.create("somebody", "", PRIVILEGE_LISTENER)
        other = await users.create("another", "", PRIVILEGE_LISTENER)
        sessions_of = {user.id: await sessions.begin(user.id, HERE) for user in (one, other)}
        for user in (one, other):
            await callers.get(claims(sessions_of[user.id]))
            await users.set_privilege(user.id, PRIVILEGE_ADMIN)

        callers.forget(one.id)

        assert (await callers.get(claims(sessions_of[one.id]))).privilege == PRIVILEGE_ADMIN
        assert (await callers.get(claims(sessions_of[other.id]))).privilege == PRIVILEGE_LISTENER

    over_mongodb(song_server_settings, check)


def test_a_token_of_a_later_revision_has_its_user_looked_up_anew(song_server_settings: Settings) -> None:
    async def check(users: Users, sessions: Sessions, callers: Callers) -> None:
        user = await users.create("somebody", "", PRIVILEGE_LISTENER)
        session = await sessions.begin(user.id, HERE)
        await callers.get(claims(session))
        await users.set_privilege(user.id, PRIVILEGE_ADMIN)

        assert (await callers.get(claims(session, revision=1))).privilege == PRIVILEGE_LISTENER
        assert (await callers.get(claims(session, revision=2))).privilege == PRIVILEGE_ADMIN

    over_mongodb(song_server_settings, check)


def test_what_is_remembered_ends_with_the_memory(song_server_settings: Settings) -> None:
    async def check(users: Users, sessions: Sessions, callers: Callers) -> None:
        user = await users.create("somebody", "", PRIVILEGE_LISTENER)
        session = await sessions.begin(user.id, HERE)
        await callers.get(claims(session))
        await sessions.end(session.session_id)
        await callers.get(claims(session))

        await asyncio.sleep(0.3)

        with pytest.raises(SignInFailure):
            await callers.get(claims(session))

    over_mongodb(song_server_settings, check, memory=0.3)


async def with_key(
    mongo: Mongo,
    privilege: Privilege.ValueType,
    check: Callable[[Users, ApiKeys, Callers, PresentedKey], Awaitable[None]],
) -> None:
    """Runs a check with a user who has made a key, which lasts 1 s, with the privilege of an editor."""
    users, api_keys = Users(mongo), ApiKeys(mongo)
    user = await users.create("somebody", "", privilege)
    key, presented = make_api_key()
    assert read_api_key(key) == presented
    wanted = ApiKey(id=presented.api_key_id, privilege=PRIVILEGE_EDITOR, scopes=[SCOPE_SONGS_READ])
    wanted.expire_time.FromMilliseconds(int(time.time() * 1000) + 1000)
    await api_keys.create(user.id, wanted, presented.digest)
    await check(users, api_keys, Callers(users, Sessions(mongo, 600), api_keys, 60), presented)


def over_mongodb_with_key(
    settings: Settings,
    privilege: Privilege.ValueType,
    check: Callable[[Users, ApiKeys, Callers, PresentedKey], Awaitable[None]],
) -> None:
    """Runs a check with stores on a real database."""

    async def run() -> None:
        assert settings.mongodb_uri
        mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, 10)
        try:
            await with_key(mongo, privilege, check)
        finally:
            await mongo.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("of_the_user", "of_the_caller"),
    [
        (PRIVILEGE_LISTENER, PRIVILEGE_LISTENER),
        (PRIVILEGE_EDITOR, PRIVILEGE_EDITOR),
        (PRIVILEGE_ADMIN, PRIVILEGE_EDITOR),
    ],
)
def test_a_key_has_what_both_it_and_its_maker_have(
    song_server_settings: Settings, of_the_user: Privilege.ValueType, of_the_caller: Privilege.ValueType
) -> None:
    async def check(_: Users, __: ApiKeys, callers: Callers, presented: PresentedKey) -> None:
        caller = await callers.get_by_api_key(presented)

        assert caller.privilege == of_the_caller
        assert caller.scopes == frozenset({SCOPE_SONGS_READ})
        assert (caller.session_id, caller.api_key_id) == ("", presented.api_key_id)

    over_mongodb_with_key(song_server_settings, of_the_user, check)


def test_a_key_is_remembered_until_told_to_forget(song_server_settings: Settings) -> None:
    async def check(users: Users, api_keys: ApiKeys, callers: Callers, presented: PresentedKey) -> None:
        caller = await callers.get_by_api_key(presented)
        await api_keys.end(caller.user_id, presented.api_key_id)
        assert await callers.get_by_api_key(presented) == caller

        callers.forget(presented.api_key_id)
        with pytest.raises(SignInFailure, match="revoked"):
            await callers.get_by_api_key(presented)

    over_mongodb_with_key(song_server_settings, PRIVILEGE_LISTENER, check)


def test_a_key_is_forgotten_with_its_maker(song_server_settings: Settings) -> None:
    async def check(users: Users, api_keys: ApiKeys, callers: Callers, presented: PresentedKey) -> None:
        caller = await callers.get_by_api_key(presented)
        await users.set_disabled(caller.user_id, disabled=True)
        assert await callers.get_by_api_key(presented) == caller

        callers.forget(caller.user_id)
        with pytest.raises(SignInFailure, match="gone or disabled"):
            await callers.get_by_api_key(presented)

    over_mongodb_with_key(song_server_settings, PRIVILEGE_LISTENER, check)


def test_whoever_knows_only_the_id_of_a_known_key_is_refused(song_server_settings: Settings) -> None:
    async def check(_: Users, __: ApiKeys, callers: Callers, presented: PresentedKey) -> None:
        forged = PresentedKey(presented.api_key_id, bytes(32))
        for known in (False, True):
            if known:
                await callers.get_by_api_key(presented)
            with pytest.raises(SignInFailure):
                await callers.get_by_api_key(forged)

    over_mongodb_with_key(song_server_settings, PRIVILEGE_LISTENER, check)


def test_a_known_key_expires_in_time(song_server_settings: Settings) -> None:
    async def check(_: Users, __: ApiKeys, callers: Callers, presented: PresentedKey) -> None:
        await callers.get_by_api_key(presented)
        await asyncio.sleep(1.01)

        with pytest.raises(SignInFailure, match="expired"):
            await callers.get_by_api_key(presented)

    over_mongodb_with_key(song_server_settings, PRIVILEGE_LISTENER, check)
