"""The sockets of a server in this process, to which grpcio has no way: to take no more connections, but keep the old.

`aio.Server.stop` does not do that: calls that come while it closes the connections, or wait to be taken, end as
CANCELLED, at a full load most of those in flight.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from songserver.engines.addresses import UNIX, path_of, port_of

LOOK = 0.005
"""Seconds between two looks whether all connections that wait are taken; it takes some 0.1 ms."""
LONGEST_LOOK = 1.0
"""Seconds that it has: those that are not taken by then are reset."""
HALF_OPEN = 0.5
"""Seconds that clients have to finish the handshakes that have begun: some round trips, and less than the second after
which those that got no answer ask again."""
ACCEPT_QUEUE = struct.Struct("24xI")
"""Where Linux tells the length of a listening socket's queue: `tcpi_unacked` of `struct tcp_info`."""
SO_ATTACH_FILTER = 26
"""Of Linux (asm-generic/socket.h); Python has no name for it."""
NO_SYN = struct.pack(
    "HBBI" * 4,
    *(0x30, 0, 0, 13),  # load the byte of the TCP header that has the flags
    *(0x45, 0, 1, 2),  # if SYN is not set, skip one
    *(0x06, 0, 0, 0),  # drop the packet
    *(0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)
"""A program for Linux's packet filter: drops what asks for a new connection, and nothing else."""


async def turn_away(address: str) -> None:
    """Leaves all new connections at an address to other workers, and returns once those that had begun are taken.

    A socket that is shut down resets the connections that nobody has taken yet. So on Linux it is made deaf first: who
    asks for a connection meanwhile gets no answer, asks again after a second, and by then meets another worker.
    """
    if sys.platform == "linux":
        program = ctypes.create_string_buffer(NO_SYN, len(NO_SYN))
        # The kernel copies the program; connections inherit it, and never carry a SYN.
        pointer = struct.pack("HP", len(NO_SYN) // 8, ctypes.addressof(program))
        for listener in _sockets_at(address, listening=True):
            if listener.family != socket.AF_UNIX:
                listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
    await asyncio.sleep(HALF_OPEN)
    give_up = time.monotonic() + LONGEST_LOOK
    while any(map(_waiting, _sockets_at(address, listening=True))) and time.monotonic() < give_up:  # noqa: ASYNC110 - the engine's
        await asyncio.sleep(LOOK)


def stop_listening(address: str) -> None:
    """Stops listening at an address, with grpc none the wiser.

    Of this grpc logs "Closing acceptor. Failed accept4: Invalid argument".
    """
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
        with contextlib.suppress(OSError), _duplicate(int(descriptor.name)) as found:
            if _is_at(found.getsockname(), address) and _listens(found) == listening:
                yield found


def _duplicate(descriptor: int) -> socket.socket:
    duplicate = os.dup(descriptor)
    try:
        return socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        raise


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
