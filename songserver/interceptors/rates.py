"""How many calls a second one peer may make: a token bucket for each."""

import time
from collections.abc import Callable
from functools import lru_cache

from songserver.errors import TooManyCalls
from songserver.rpc import UNIX_PEER, Call, Handler, address_of, network_of

PEERS = 10_000
"""Peers that are remembered, 5 MB at the most. The one that has called longest ago is forgotten first: of all, its
bucket is the nearest to full."""


class Bucket:
    """What a peer may still call."""

    __slots__ = ("tokens", "at")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        """Calls."""
        self.at = at
        """When that was so, on the clock."""


class Rates:
    """Refuses the calls of a peer that makes more of them than its share."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            rate: Calls a second that a peer may make in the long run.
            burst: Calls that it may have saved up.
            clock: Gives seconds.
        """
        self._rate = rate
        self._burst = burst
        self._clock = clock
        # It is every call's way: to read an address of IPv6 anew takes 20 us, to look both up 0.1.
        self._network_of = lru_cache(PEERS)(lambda peer: network_of(address_of(peer)))
        self._bucket_of = lru_cache(PEERS)(lambda _: Bucket(burst, clock()))

    async def __call__(self, call: Call, proceed: Handler) -> None:
        """Lets the call proceed.

        Raises:
            TooManyCalls: If its peer has no call left.
        """
        # Who comes by a Unix socket has no address: it is somebody of this machine, mostly a proxy for all.
        network = self._network_of(call.peer)
        if network != UNIX_PEER:
            self.take(network)
        await proceed(call)

    @property
    def peers(self) -> int:
        """How many peers are remembered."""
        return self._bucket_of.cache_info().currsize

    def take(self, peer: str) -> None:
        """Takes a call from a peer's bucket.

        Raises:
            TooManyCalls: If there is none in it.
        """
        bucket = self._bucket_of(peer)
        now = self._clock()
        tokens = bucket.tokens + (now - bucket.at) * self._rate
        tokens = min(tokens, self._burst)
        bucket.at = now
        if tokens < 1:
            bucket.tokens = tokens
            raise TooManyCalls(
                f"this address makes more than {self._rate:g} calls a second: wait and try again",
                retry_after=(1 - tokens) / self._rate,
            )
        bucket.tokens = tokens - 1
