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
