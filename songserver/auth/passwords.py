"""Passwords are kept as argon2id hashes (RFC 9106), made off the event loop by a bounded number of threads."""

import asyncio
import os
import secrets
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from songserver.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

QUEUE = 16
"""Calls with a password that are let in for each thread, which has about 0.2 s of work with one: a flood of sign-ins
must not take the place of all other calls."""
RETRY_AFTER = 2.0
"""Seconds after which trying again may help."""
NICENESS = 10
"""By how much the threads stand back: what they have of a core that others want is a tenth."""


class Passwords:
    """Hashes passwords and checks them."""

    def __init__(self, *, time_cost: int, memory_cost: int, threads: int) -> None:
        """
        Args:
            time_cost: Passes over the memory.
            memory_cost: KiB of memory for one hash.
            threads: Hashes computed at the same time; further ones wait. (argon2 lets go of the interpreter's lock.)
        """
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_stand_back)
        self._room = QUEUE * threads
        # As if it were computed, which would take the time and memory of a sign-in, at the start of each worker.
        salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._nobodys_hash = f"$argon2id$v=19$m={memory_cost},t={time_cost},p=1${salt}${digest}"

    @contextmanager
    def room(self) -> Iterator[None]:
        """Takes one of the places for calls that have a password hashed.

        Raises:
            Overloaded: If all are taken.
        """
        if self._room == 0:
            raise Overloaded("too many passwords are being checked: try again", retry_after=RETRY_AFTER)
        self._room -= 1
        try:
            yield
        finally:
            self._room += 1

    async def hash(self, password: str) -> str:
        """Gives the hash of a new password, with its salt and parameters in it (the PHC string format)."""
        return await self._run(self._hasher.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password of this hash. Without one (no such user) it takes as long, and is not."""
        right = await self._run(self._verify, password_hash or self._nobodys_hash, password)
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(password_hash)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except InvalidHashError:
            # That an account has a hash that cannot be read is not to be seen in the time it takes.
            self._hasher.hash(password)
            return False
        except VerificationError:
            return False

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _stand_back() -> None:
    """Lets the event loop go first: on Linux, a thread has a priority of its own."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS))
