"""The keys as a running server has them: read again every second, so that a change of keys needs no restart."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from songserver.auth.keys import Keys, KeysError, SigningKey, load_keys, read_keys

READ_EVERY = 1.0
"""Seconds."""

log = structlog.get_logger()


class KeyRing:
    """Knows which key signs now, and which verify."""

    def __init__(self, directory: Path, token_lifetime: float) -> None:
        """
        Args:
            directory: Where the keys are; made, with keys, if it is not there.
            token_lifetime: Seconds for which a token is good: as long, an old key verifies.

        Raises:
            KeysError: If the directory or a key in it cannot be read, is not ours alone, or is no key.
        """
        self.withdrawals = 0
        """Goes up when a key has been taken away: what it has verified is good no more."""
        self._directory = directory
        self._token_lifetime = token_lifetime
        self._keys = load_keys(directory)
        self._public = _public_keys(self._keys)
        self._complaint = ""

    @property
    def page_token_secret(self) -> bytes:
        """What page tokens are signed with: 32 random bytes. It is the one of the start."""
        return self._keys.page_token_secret

    def signing(self) -> SigningKey:
        """Gives the key that signs now."""
        return self._keys.signing(time.time())

    def public_key(self, kid: str) -> Ed25519PublicKey | None:
        """Gives the key that verifies what a key signed, if it still does."""
        return self.public_keys().get(kid)

    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        """Gives the keys that verify now, by `kid`, the oldest first."""
        return {key.kid: self._public[key.kid] for key in self._keys.live(time.time(), self._token_lifetime)}

    def read(self) -> None:
        """Reads the keys again. If they cannot be used, those that are there stay, and the log says why, once."""
        try:
            keys = read_keys(self._directory)
        except KeysError as error:
            if str(error) != self._complaint:
                log.error("keys that cannot be used: all stay as they are", reason=str(error))  # noqa: TRY400
            self._complaint = str(error)
            return
        self._complaint = ""
        before, self._public = self._public, _public_keys(keys)
        self._keys = Keys(keys.signing_keys, self._keys.page_token_secret)
        if self._public != before:
            log.info("keys changed", keys=list(self._public), signing=self.signing().kid)
        if not before.items() <= self._public.items():
            self.withdrawals += 1

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Reads the keys every second, for as long as its block lasts."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(READ_EVERY)
            # In a thread: a shared directory may be slow to answer.
            await asyncio.to_thread(self.read)


def _public_keys(keys: Keys) -> dict[str, Ed25519PublicKey]:
    return {key.kid: key.private.public_key() for key in keys.signing_keys}
