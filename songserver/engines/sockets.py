"""The sockets of a server in this process, to which grpcio has no way: to take no more connections, but keep the old.

`aio.Server.stop` does not do that: calls that come while it closes the connections, or wait to be taken, end as
CANCELLED, at a full load most of those in flight.
"""

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from songserver.engines.addresses import UNIX, path_of, port_of

LOOK = 0.005
"""Seconds between two looks whether grpc has taken the connections that wait already; it takes some 0.1 ms."""
LONGEST_LOOK = 1.0
"""Seconds that it has: those that it has not taken by then are reset."""
ACCEPT_QUEUE = struct.Struct("24xI")
"""Where Linux tells the length of a listening socket's queue: `tcpi_unacked` of `struct tcp_info`."""


async def stop_listening(address: str) -> None:
    """Stops listening at an address: other workers there get all new connections from now on.

    Of this grpc logs "Closing acceptor. Failed accept4: Invalid argument".
    """
    for listener in _sockets_at(address, listening=True):
        listener.listen(0)
    give_up = time.monotonic() + LONGEST_LOOK
    await asyncio.sleep(LOOK)
    while any(map(_waiting, _sockets_at(address, listening=True))) and time.monotonic() < give_up:  # noqa: ASYNC110 - grpc's
        await asyncio.sleep(LOOK)
    for listener in _sockets_at(address, listening=True):
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RD)


def has_connections(address: str) -> bool:
    """Whether there are connections of clients that came to an address."""
    return any(True for _ in _sockets_at(address, listening=False))


def _sockets_at(address: str, *, listening: bool) -> Iterator[socket.socket]:
    """Gives a second descriptor of each socket of this process that is bound to an address."""
    for descriptor in Path("/dev/fd").iterdir():
        # An error: it is no socket, or closed by now.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(descriptor.name))) as found:
            if _is_at(found.getsockname(), address) and _listens(found) == listening:
                yield found


def _is_at(name: Any, address: str) -> bool:
    if address.startswith(UNIX):
        return bool(name == str(path_of(address)))
    return isinstance(name, tuple) and name[1] == port_of(address)


def _waiting(listener: socket.socket) -> int:
    """Gives how many connections wait to be taken, where the system tells."""
    if listener.family == socket.AF_UNIX or not hasattr(socket, "TCP_INFO"):
        return 0
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACCEPT_QUEUE.size)
    length: int = ACCEPT_QUEUE.unpack(info)[0]
    return length


def _listens(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
