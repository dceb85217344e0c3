"""Work that goes over many things lets other calls have their turn."""

import asyncio
import time

BREATH = 0.003
"""Seconds for which a call works in one go."""


class Breath:
    """Counts the time of one call's work."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def take(self) -> None:
        """Lets others have their turn if it is time."""
        if time.perf_counter() - self._since > BREATH:
            await asyncio.sleep(0)
            self._since = time.perf_counter()


class Turns:
    """Counts what one piece of work sets going, which is more work."""

    def __init__(self, most: int) -> None:
        """
        Args:
            most: How much of it is set going before it, and others, have their turn.
        """
        self._most = most
        self._going = 0

    async def take(self) -> None:
        """Lets them have it if it is time."""
        self._going += 1
        if self._going >= self._most:
            self._going = 0
            await asyncio.sleep(0)
