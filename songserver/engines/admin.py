"""Envoy's admin interface, over its Unix socket."""

import asyncio
import json
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Literal

TIME = 5.0
"""Seconds that an answer may take."""


class Admin:
    """The admin interface of one Envoy."""

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: Its socket.
        """
        self._path = path

    async def is_live(self) -> bool:
        """Whether it has started, and listens."""
        try:
            return await self._ask("GET", "/ready") == b"LIVE\n"
        except OSError:
            return False

    async def active(self, what: Literal["cx", "rq"]) -> int:
        """Gives how many connections, or requests, there are at its listener."""
        name = f"http.ingress_http.downstream_{what}_active"
        stats = json.loads(await self._ask("GET", f"/stats?format=json&filter=^{name}$"))["stats"]
        return sum(int(stat["value"]) for stat in stats)

    async def post(self, path: str) -> None:
        """Has it do something."""
        await self._ask("POST", path)

    async def _ask(self, verb: str, path: str) -> bytes:
        return await asyncio.to_thread(self._ask_and_wait, verb, path)

    def _ask_and_wait(self, verb: str, path: str) -> bytes:
        connection = _UnixConnection(self._path)
        try:
            connection.request(verb, path)
            return connection.getresponse().read()
        finally:
            connection.close()


class _UnixConnection(HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIME)
        self._path = path

    def connect(self) -> None:
        """Connects."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIME)
        self.sock.connect(str(self._path))
