"""Passwords are kept as argon2id hashes (RFC 9106), made off the event loop by a bounded number of threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


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
        self._nobodys_hash = self._hasher.hash("the password of nobody")

    async def hash(self, password: str) -> str:
        """Gives the hash of a new password, with its salt and parameters in it (the PHC string format)."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password of this hash. Without one (no such user) it takes as long, and is not."""
        known = password_hash or self._nobodys_hash
        right = await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, known, password)
        return right and password_hash is not None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
