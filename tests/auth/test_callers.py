"""Who a session's user is, and for how long that is remembered."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_LISTENER
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
