"""Run at the start of a server (see `contestants.variant`): tells how much CPU time auth takes.

Each process writes a file named by its id into the directory TIMES: calls, and nanoseconds of them all.
"""

import os
import time
from pathlib import Path
from unittest.mock import patch

from songserver import app
from songserver.interceptors.auth import Auth
from songserver.rpc import Call, Handler

TOLD_EVERY = 256
"""Calls."""


class TimedAuth(Auth):
    """Counts what passes between a call's coming to auth and its going on, where the token is known."""

    _come = 0
    _calls = 0
    _ns = 0

    async def __call__(self, call: Call, proceed: Handler) -> None:
        async def go_on(call: Call) -> None:
            spent = time.thread_time_ns() - begun
            # If others have come meanwhile, it has waited for MongoDB, and the time is theirs too.
            if self._come == number:
                self._count(spent)
            await proceed(call)

        self._come = number = self._come + 1
        begun = time.thread_time_ns()
        await super().__call__(call, go_on)

    def _count(self, ns: int) -> None:
        self._calls += 1
        self._ns += ns - CLOCK
        if self._calls % TOLD_EVERY == 0:
            (Path(os.environ["TIMES"]) / str(os.getpid())).write_text(f"{self._calls} {self._ns}")


CLOCK = min(-(time.thread_time_ns() - time.thread_time_ns()) for _ in range(1000))
"""Nanoseconds that it takes to look at the clock."""
patch.object(app, "Auth", TimedAuth).start()
