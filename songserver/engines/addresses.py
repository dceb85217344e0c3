"""The address that is served on: whether it is free, and how a supervisor keeps it for its workers."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from songserver.foreseen import Foreseen

UNIX = "unix:"
LOCAL = ("127.", "localhost:", "[::1]:", UNIX)
"""How an address begins that only this machine can reach."""


class ListenError(Foreseen):
    """The address cannot be served on; the message says why."""


class Place(NamedTuple):
    """One of the places that a name and port stand for."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]


def check_free(address: str) -> None:
    """Refuses an address that another server has.

    Of a name with several addresses grpc would take those that are left, and a Unix socket from under its server.

    Raises:
        ListenError: If it is taken, or is no address.
    """
    try:
        taken = _answers(address) if address.startswith(UNIX) else _bound(address)
    except (OSError, OverflowError) as error:
        raise cannot_listen(address, error) from error
    if taken:
        raise cannot_listen(address, "another server has it")


@contextmanager
def reserved(address: str) -> Iterator[str]:
    """Keeps an address for workers that listen on it with SO_REUSEPORT: to nobody else is it free any more.

    Nothing listens at it until they do. A Unix socket is not kept, but what is left of it is removed.

    Returns:
        The address, with the port that is ours where it said 0, and of a Unix socket the whole path: not every worker
        runs in our directory.

    Raises:
        ListenError: If another server has it, or it is none of this machine.
    """
    if address.startswith(UNIX):
        path = path_of(address).absolute()
        check_free(f"{UNIX}{path}")
        try:
            yield f"{UNIX}{path}"
        finally:
            if path.is_socket():
                path.unlink()
        return
    check_free(address)
    with ExitStack() as stack:
        try:
            port = _bind_all(address, stack)
        except OSError as error:
            raise cannot_listen(address, error.strerror) from error
        yield f"{address.rpartition(':')[0]}:{port}"


def cannot_listen(address: str, why: object, setting: str = "listen") -> ListenError:
    """Gives the error that says what to do."""
    return ListenError(
        f"cannot listen on {address} ({why}): set `{setting}` to an address of this machine that is free"
    )


def bound_address(listen: str, worker: str) -> str:
    """Gives the address that a worker binds: of a Unix socket a path of its own, until it takes the asked one's place.

    A Unix socket is shared by nobody, and who closes one removes its path, even if it is another worker's by then.

    Args:
        listen: The asked one.
        worker: What no other worker is called.
    """
    return f"{listen}.{worker}" if listen.startswith(UNIX) else listen


def take_place(listen: str, worker: str) -> None:
    """Gives a worker that listens all connections to a Unix socket from now on; the worker before has no more."""
    if listen.startswith(UNIX):
        path_of(bound_address(listen, worker)).rename(path_of(listen))


def is_local(address: str) -> bool:
    """Whether only this machine can reach it."""
    return address.startswith(LOCAL)


def port_of(address: str) -> int:
    """Gives the port of `host:port`."""
    return int(address.rpartition(":")[2])


def path_of(address: str) -> Path:
    """Gives the path of a Unix socket."""
    return Path(address.removeprefix(UNIX).removeprefix("//"))


def places(address: str, port: int) -> Iterator[Place]:
    """Gives the places that an address stands for, with this port."""
    host = address.rpartition(":")[0]
    for family, _, _, _, sockaddr in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM):
        yield Place(family, (sockaddr[0], port, *sockaddr[2:]))


def _answers(address: str) -> bool:
    path = path_of(address)
    if path.exists() and not path.is_socket():
        raise OSError(errno.ENOTSOCK, "it is there, and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _bound(address: str) -> bool:
    for place in places(address, port_of(address)):
        with socket.socket(place.family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(place.sockaddr)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return True
                # A name may have addresses, of IPv6 for one, that this machine has not; one is enough for grpc.
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
    return False


def _bind_all(address: str, stack: ExitStack) -> int:
    """Binds a socket to each place of an address, all to the same port; gives the port."""
    port = port_of(address)
    kept = False
    missing = OSError(errno.EADDRNOTAVAIL, "it stands for no address")
    for place in places(address, 0):
        keeper = stack.enter_context(socket.socket(place.family))
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            keeper.bind((place.sockaddr[0], port, *place.sockaddr[2:]))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            missing = error
        else:
            port = keeper.getsockname()[1]
            kept = True
    if not kept:
        raise missing
    return port
