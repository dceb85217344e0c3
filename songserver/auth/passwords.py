"""Passwords are kept as argon2id hashes (RFC 9106), made off the event loop by a bounded number of threads."""

import asyncio
import functools
import secrets
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from songserver.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

QUEUE = 16
"""Passwords that may wait for a thread, each about 0.1 s: a flood of sign-ins must not take the place of all others."""
RETRY_AFTER = 2.0
"""Seconds after which trying again may help."""


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
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._most_waiting = QUEUE * threads
        self._waiting = 0
        # As if it were computed, which would take the time and memory of a sign-in, at the start of each worker.
        salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._nobodys_hash = f"$argon2id$v=19$m={memory_cost},t={time_cost},p=1${salt}${digest}"

    async def hash(self, password: str) -> str:
        """Gives the hash of a new password, with its salt and parameters in it (the PHC string format).

        Raises:
            Overloaded: If too many passwords wait already.
        """
        return await self._run(self._hasher.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password of this hash. Without one (no such user) it takes as long, and is not.

        Raises:
            Overloaded: If too many passwords wait already.
        """
        known = password_hash or self._nobodys_hash
        right = await self._run(self._verify, known, password)
        return right and password_hash is not None

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= self._most_waiting:
            raise Overloaded("too many passwords are being checked: try again", retry_after=RETRY_AFTER)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, functools.partial(work, *args, **kwargs)
            )
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
