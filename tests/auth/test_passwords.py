"""Passwords and their hashes."""

import asyncio
import os
import sys
import threading

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from songserver.auth.passwords import NICENESS, QUEUE, Passwords
from songserver.config import Settings
from songserver.errors import Overloaded


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(time_cost=1, memory_cost=8, threads=2)


def test_a_password_matches_its_hash_and_no_other(passwords: Passwords) -> None:
    async def check() -> None:
        for password in ("12345678", "\x00" * 8, "\U0001f3b5" * 256):
            hashed = await passwords.hash(password)
            assert password not in hashed
            assert await passwords.matches(password, hashed)
            assert not await passwords.matches(password + " ", hashed)
            assert not await passwords.matches(password[:-1], hashed)
            assert hashed != await passwords.hash(password), "each has a salt of its own"

    asyncio.run(check())


def test_nobody_has_a_password(passwords: Passwords) -> None:
    async def check() -> None:
        for password in ("", "the password of nobody", "x"):
            assert not await passwords.matches(password, None)

    asyncio.run(check())


@pytest.mark.parametrize("broken", ["x", "$argon2id$v=19$m=8,t=1,p=1$x", "$2b$12$abcdefghijklmnopqrstuv"])
def test_a_hash_that_cannot_be_read_matches_nothing(passwords: Passwords, broken: str) -> None:
    assert not asyncio.run(passwords.matches("x", broken))


def test_hashes_are_argon2id_at_least_as_strong_as_owasp_advises() -> None:
    """19 MiB and 2 passes, or what costs an attacker as much (OWASP Password Storage Cheat Sheet)."""
    settings = Settings()
    strong = Passwords(time_cost=settings.argon2_time_cost, memory_cost=settings.argon2_memory_cost, threads=1)

    parameters = extract_parameters(asyncio.run(strong.hash("12345678")))

    assert parameters.type == Type.ID
    assert (parameters.memory_cost, parameters.time_cost) >= (19 * 1024, 2)


def test_the_event_loop_goes_on_while_a_password_is_hashed() -> None:
    slow = Passwords(time_cost=5, memory_cost=16_384, threads=1)

    async def turns() -> int:
        hashing = asyncio.create_task(slow.hash("12345678"))
        count = 0
        while not hashing.done():
            await asyncio.sleep(0.001)
            count += 1
        return count

    # One that hashes by itself goes on once, afterwards.
    assert asyncio.run(turns()) > 3


def test_a_flood_of_passwords_is_told_to_come_again(passwords: Passwords) -> None:
    async def hashed() -> str:
        with passwords.room():
            return await passwords.hash("12345678")

    async def flood() -> list[object]:
        return await asyncio.gather(*(hashed() for _ in range(100)), return_exceptions=True)

    outcomes = asyncio.run(flood())

    refused = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    assert len(refused) == 100 - 2 * QUEUE
    assert all(isinstance(outcome, Overloaded) and outcome.retry_after for outcome in refused)
    assert asyncio.run(hashed()), "it goes on once they are through"


def test_a_hash_of_other_parameters_is_outdated(passwords: Passwords) -> None:
    stronger = Passwords(time_cost=2, memory_cost=8, threads=1)
    hashed = asyncio.run(passwords.hash("12345678"))

    assert not passwords.is_outdated(hashed)
    assert stronger.is_outdated(hashed)
    assert asyncio.run(stronger.matches("12345678", hashed)), "it is good all the same"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_the_threads_that_hash_stand_back(passwords: Passwords) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def of_a_thread() -> int:
        return await passwords._run(niceness)

    assert asyncio.run(of_a_thread()) == min(19, niceness() + NICENESS)


def test_after_its_end_no_more_is_hashed(passwords: Passwords) -> None:
    passwords.close()

    with pytest.raises(RuntimeError):
        asyncio.run(passwords.hash("12345678"))
