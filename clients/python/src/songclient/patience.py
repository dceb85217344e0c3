"""How long, and after which failures, a stream that broke is begun again."""

import time
from typing import Final

import grpc

from songclient.errors import (
    DbOperationFailed,
    Overloaded,
    ServerStopping,
    ServerUnavailable,
    SongClientError,
    TooManyCalls,
)

PATIENCE: Final = 60.0
"""Seconds without any answer after which it is given up."""
FIRST_PAUSE: Final = 0.1
"""Seconds until it is begun again; twice as many each time that this does not help."""
LONGEST_PAUSE: Final = 5.0
PASSING: Final = (DbOperationFailed, Overloaded, ServerStopping, ServerUnavailable, TooManyCalls)
CUT: Final = (grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
"""What gRPC says of a call that was cut, when it was not the song server that ended it."""


class Patience:
    """Counts the time since something was heard of the server."""

    def __init__(self, seconds: float) -> None:
        """Have patience for so many seconds; 0 for none."""
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin anew: there was an answer."""
        self._give_up = time.monotonic() + self._seconds
        self._pause = FIRST_PAUSE

    def pause_after(self, error: SongClientError) -> float:
        """Say how many seconds to wait before it is tried again. Raises the error if that is of no use."""
        cut = error.code is None and error.status in CUT
        pause = max(self._pause, error.retry_after or 0)
        if not (cut or isinstance(error, PASSING)) or time.monotonic() + pause > self._give_up:
            raise error
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return pause
