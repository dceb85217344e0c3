"""The first admin: made once on a fresh database of our own, so that a newcomer can go on."""

import asyncio
from pathlib import Path

import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_LISTENER
from songserver.accounts import FIRST_ADMIN, Accounts, FirstAdmin
from songserver.config import Settings
from songserver.groundwork import groundwork, make_accounts


async def first_admin(settings: Settings, file: Path, *before: tuple[str, int]) -> FirstAdmin | None:
    """Makes the first admin beside these users."""
    async with groundwork(settings) as ground:
        accounts: Accounts = make_accounts(settings, ground.mongo)
        for name, privilege in before:
            await accounts.create(name, "battery staple horse", privilege)  # type: ignore[arg-type]  # one of the enum
        return await accounts.make_first_admin(file)


def test_it_has_a_random_password_that_only_its_owner_can_read(song_server_settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "admin-password"

    made = asyncio.run(first_admin(song_server_settings, file))

    assert made
    assert (made.username, file.read_text()) == (FIRST_ADMIN, f"{made.password}\n")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("there", [("root", PRIVILEGE_ADMIN), (FIRST_ADMIN, PRIVILEGE_LISTENER)], ids=["admin", "name"])
def test_none_is_made_where_there_is_one_or_the_name_is_taken(
    song_server_settings: Settings, tmp_path: Path, there: tuple[str, int]
) -> None:
    file = tmp_path / "admin-password"

    assert asyncio.run(first_admin(song_server_settings, file, there)) is None
    assert not file.exists()
