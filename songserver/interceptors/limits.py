"""How many calls are in flight at once, and how much of the caller's deadline the database has."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from songserver.errors import Overloaded
from songserver.rpc import DEADLINE_MARGIN, Call, Handler

LATE = 0.5
"""Seconds by which pymongo may be late to notice that its time is up."""
RETRY_AFTER = 1.0
"""Seconds after which a refused caller may try again."""


class Room:
    """For so many calls at once."""

    __slots__ = ("most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0


class Limits:
    """Refuses calls over a number in flight, and gives MongoDB a little less than the caller's deadline."""

    def __init__(
        self,
        max_calls: int,
        database_timeout: float,
        database_within: Callable[[float | None], AbstractContextManager[None]],
        own_room: Mapping[str, int] | None = None,
    ) -> None:
        """
        Args:
            max_calls: Calls in flight at the most. (Ours, and not grpc's `maximum_concurrent_rpcs`, which would refuse
                health checks too.)
            database_timeout: Seconds that each operation of the database has anyway: a caller's deadline that is later
                makes no difference to it. (Nor may it: what a call waits for besides is not the database's fault.)
            database_within: Bounds the operations in its block to so many seconds in all (None: each by itself).
            own_room: Calls in flight at the most of methods, by path, that are not among those, as they mostly wait.
        """
        self._room = Room(max_calls)
        self._own_room = {path: Room(most) for path, most in (own_room or {}).items()}
        self._database_timeout = database_timeout
        self._database_within = database_within

    async def __call__(self, call: Call, proceed: Handler) -> None:
        """Lets the call proceed.

        Raises:
            Overloaded: If there are too many calls in flight.
        """
        room = self._own_room.get(call.method.path, self._room)
        if room.taken >= room.most:
            raise Overloaded(
                f"{room.most} such calls are in flight, which is as many as this server takes: try again",
                retry_after=RETRY_AFTER,
            )
        room.taken += 1
        try:
            with self._database_within(self._database_time(call)):
                await proceed(call)
        finally:
            room.taken -= 1

    def _database_time(self, call: Call) -> float | None:
        remaining = call.remaining
        if remaining is None or remaining > self._database_timeout + LATE:
            return None
        return max(0.001, remaining - DEADLINE_MARGIN)
