"""A network that a test can take away."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Direction = Literal["to server", "to client"]


class Proxy:
    """Passes bytes on between clients and a server, until it is to hold them back."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._room: dict[Direction, float] = {"to server": float("inf"), "to client": float("inf")}
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.held = threading.Event()
        """Set once bytes are held back: the rest of that direction never arrives."""
        self.refuses = False
        """Whether new connections are closed at once."""
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_after(self, size: int, direction: Direction) -> None:
        """Holds back all bytes in a direction after so many more."""
        self.held.clear()
        self._room[direction] = size

    def cut(self) -> None:
        """Ends all connections, without a word; later ones are passed on whole."""
        self._room = dict.fromkeys(self._room, float("inf"))
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def close(self) -> None:
        """Ends it."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket()
            try:
                if self.refuses:
                    raise ConnectionRefusedError
                server.connect(self._target)
            except OSError:
                client.close()
                continue
            self._sockets |= {client, server}
            for source, target, direction in ((client, server, "to server"), (server, client, "to client")):
                threading.Thread(target=self._pass, args=(source, target, direction), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                self._room[direction] -= len(data)
                if self._room[direction] < 0:
                    self.held.set()
                    continue
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """Gives a proxy before a server."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
