"""There is always an admin who can sign in, whoever goes and whenever."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songserver.errors import LastAdmin
from songserver.storage.mongo import Mongo
from songserver.storage.users import Users

pytestmark = pytest.mark.asyncio

Going = Callable[[Users, str], Awaitable[object]]
WAYS: dict[str, Going] = {
    "demoted": lambda users, user_id: users.set_privilege(user_id, PRIVILEGE_EDITOR),
    "disabled": lambda users, user_id: users.set_disabled(user_id, disabled=True),
    "deleted": lambda users, user_id: users.delete(user_id),
}


async def admins_of(mongo: Mongo) -> int:
    query = {"privilege": "PRIVILEGE_ADMIN", "disabled": {"$ne": True}}
    return await mongo.collection("users").count_documents(query)


@pytest.mark.parametrize("way", WAYS)
async def test_the_last_admin_stays_as_it_is(mongo: Mongo, way: str) -> None:
    users = Users(mongo)
    admin = await users.create("ada", "", PRIVILEGE_ADMIN)
    await users.create("bob", "", PRIVILEGE_EDITOR)
    before = await users.find_account(admin.id)

    with pytest.raises(LastAdmin):
        await WAYS[way](users, admin.id)

    assert await users.find_account(admin.id) == before


@pytest.mark.parametrize("way", WAYS)
async def test_a_disabled_admin_is_none(mongo: Mongo, way: str) -> None:
    users = Users(mongo)
    admin = await users.create("ada", "", PRIVILEGE_ADMIN)
    other = await users.create("bob", "", PRIVILEGE_ADMIN)
    await users.set_disabled(other.id, disabled=True)

    with pytest.raises(LastAdmin):
        await WAYS[way](users, admin.id)

    await users.set_disabled(other.id, disabled=False)
    assert await WAYS[way](users, admin.id)
    assert await admins_of(mongo) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_who_is_no_admin_or_disabled_already_may_go(mongo: Mongo, way: str) -> None:
    users = Users(mongo)
    await users.create("ada", "", PRIVILEGE_ADMIN)
    for name, privilege in (("bob", PRIVILEGE_ADMIN), ("carl", PRIVILEGE_LISTENER)):
        user = await users.create(name, "", privilege)
        await users.set_disabled(user.id, disabled=True)
        assert await WAYS[way](users, user.id)

    assert await admins_of(mongo) == 1


async def test_the_last_admin_may_be_made_one_again(mongo: Mongo) -> None:
    users = Users(mongo)
    admin = await users.create("ada", "", PRIVILEGE_ADMIN)

    assert await users.set_privilege(admin.id, PRIVILEGE_ADMIN)
    assert await users.set_disabled(admin.id, disabled=False)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("other_way", WAYS)
async def test_of_admins_that_go_at_the_same_time_one_stays(mongo: Mongo, way: str, other_way: str) -> None:
    """Each because the others are there: in processes of their own, they would all see them."""
    for turn in range(3):
        users = Users(mongo)
        admins = [await users.create(f"admin-{turn}-{number}", "", PRIVILEGE_ADMIN) for number in range(4)]

        ways = [WAYS[way], WAYS[other_way]] * 2
        outcomes = await asyncio.gather(
            *(go(Users(mongo), admin.id) for go, admin in zip(ways, admins, strict=True)), return_exceptions=True
        )

        assert [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == [LastAdmin]
        assert await admins_of(mongo) == 1
        await mongo.collection("users").delete_many({})


async def test_who_is_not_there_changes_nothing(mongo: Mongo) -> None:
    users = Users(mongo)

    assert await users.set_privilege("nobody", PRIVILEGE_LISTENER) is None
    assert await users.set_disabled("nobody", disabled=True) is None
    assert await users.delete("nobody") is False


async def test_each_change_is_another_revision(mongo: Mongo) -> None:
    users = Users(mongo)
    user = await users.create("ada", "", PRIVILEGE_LISTENER)

    for change in (
        users.set_privilege(user.id, PRIVILEGE_EDITOR),
        users.set_disabled(user.id, disabled=True),
        users.set_disabled(user.id, disabled=False),
        users.update(user.id, password_hash="x"),
    ):
        before = await users.find_account(user.id)
        await change
        after = await users.find_account(user.id)
        assert before
        assert after
        assert after.revision == before.revision + 1
    await users.update(user.id, display_name="Ada")
    latest = await users.find_account(user.id)
    assert latest
    assert latest.user.display_name == "Ada"
    assert latest.revision == 5, "a name is nothing that a token stands for"
