"""A worker, as its supervisor sees it: a process, and the line to it (`worker.py` has the other end)."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from songserver.certificates import Certificates
from songserver.config import Settings
from songserver.engines.launch import worker_command
from songserver.foreseen import Foreseen
from songserver.worker import CONTROL_VARIABLE, ServingStatus

STANDARD_ERROR = 2
"""Where workers write: standard output is for what the supervisor says to the operator."""
CUT = 2.0
"""Seconds beyond its time that a worker has to drain, before it is killed."""

log = structlog.get_logger()


class WorkerFailed(Foreseen):
    """A worker has ended before it was ready; the message says why."""


class WorkerProcess:
    """One worker, from its start to its end."""

    def __init__(
        self,
        number: int,
        folder: Path,
        process: asyncio.subprocess.Process,
        line: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.number = number
        self.folder = folder
        self.pid = process.pid
        self.started = time.monotonic()
        self._process = process
        self._reader, self._writer = line
        self._has_task = False
        self._turned_away = asyncio.Event()
        self._idle = asyncio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls,
        number: int,
        settings: Settings,
        certificates: Certificates | None,
        folder: Path,
        environment: Mapping[str, str],
    ) -> "WorkerProcess":
        """Starts a worker, which gets ready for its task.

        Args:
            number: Its number.
            settings: Of these what its engine needs from the start on.
            certificates: What it serves with; None: without TLS.
            folder: A directory of its own, for sockets.
            environment: Variables beside those that the engine wants.

        Raises:
            WorkerFailed: If there can be no process.
        """
        command = worker_command(settings, certificates, folder)
        ours, its = socket.socketpair()
        with its:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command.arguments,
                    env={**command.environment, **environment, CONTROL_VARIABLE: str(its.fileno())},
                    cwd=command.directory,
                    pass_fds=[its.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=STANDARD_ERROR,
                    # A terminal's Ctrl-C is for the supervisor. Not a session of its own: Linux shares the cores out
                    # by sessions (autogroup), and that threads which hash passwords stand back holds within one only.
                    process_group=0,
                )
            except OSError as error:  # the machine is out of memory or processes
                ours.close()
                raise WorkerFailed(f"cannot start a worker: {error}") from error
        return cls(number, folder, process, await asyncio.open_unix_connection(sock=ours))

    @property
    def is_ready(self) -> bool:
        """Whether it takes calls."""
        return self._ready.done() and not self._ready.exception()

    async def serve(
        self, settings: Settings, mongodb_uri: str, certificates: Certificates | None, status: ServingStatus
    ) -> None:
        """Gives it its task, and waits until it takes calls.

        Raises:
            WorkerFailed: If it does not come to that.
        """
        # By the line, and not on the command line or in the environment, where others could read it.
        task = settings.model_dump(mode="json", exclude={"mongodb_uri"})
        given = asdict(certificates) if certificates else None
        self._tell(worker=self.number, settings=task, mongodb_uri=mongodb_uri, certificates=given)
        self._has_task = True
        self.tell_health(status)
        await asyncio.shield(self._ready)

    def tell_health(self, status: ServingStatus) -> None:
        """Says what clients are to be told, once it has a task."""
        if self._has_task:
            self._tell(health=status)

    def renew(self, certificates: Certificates) -> None:
        """Gives it new certificates, once it has a task."""
        if self._has_task:
            self._tell(certificates=asdict(certificates))

    async def drain(self, seconds: float) -> None:
        """Makes it end: it takes no more connections; its calls have so many seconds to finish.

        May be called again, with less time.
        """
        self._tell(drain=seconds)
        idle = asyncio.create_task(self._idle.wait())
        try:
            await asyncio.wait({idle, self._ended}, timeout=seconds + CUT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            idle.cancel()
        # It sees the end of the line, and ends.
        self._writer.close()
        await asyncio.wait({self._ended}, timeout=CUT)
        if not self._ended.done():
            log.warning("a worker did not stop in time, killing it", worker=self.number, pid=self.pid)
            await self.kill()

    async def turned_away(self) -> None:
        """Waits until it takes no new connections any more, after `drain` with more than the grace, or has ended."""
        await self._turned_away.wait()

    async def kill(self) -> None:
        """Ends it at once."""
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()

    async def ended(self) -> int:
        """Waits for its end; gives its exit status, below 0 if a signal ended it."""
        return await asyncio.shield(self._ended)

    def _tell(self, **what: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(what).encode() + b"\n")

    async def _listen(self) -> int:
        """Hears what it says until it has ended; gives its exit status."""
        why = ""
        with contextlib.suppress(ConnectionError):
            async for line in self._reader:
                said = json.loads(line)
                if "ready" in said and not self._ready.done():
                    self._ready.set_result(None)
                if "turned_away" in said:
                    self._turned_away.set()
                if "idle" in said:
                    self._idle.set()
                why = said.get("failed", "")
        status = await self._process.wait()
        self._writer.close()
        self._turned_away.set()
        if not self._ready.done():
            ended = f"a signal, {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            self._ready.set_exception(WorkerFailed(why or f"worker {self.number} ended with {ended} at its start"))
            self._ready.exception()  # who waits hears of it; else nobody needs to
        return status
