"""A mongod of our own, for a first run and for tests: it lives and dies with the server.

It is a replica set of one, so that transactions and change streams work. It listens on a Unix
socket only, which nobody but our user can open; there is no TCP port.
"""

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from songserver.storage import _mongod
from songserver.storage._mongod import EmbeddedMongoError, find_mongod

__all__ = ["EmbeddedMongo", "EmbeddedMongoError", "find_mongod", "uri_of_running"]

log = structlog.get_logger(__name__)

MAX_SOCKET_PATH = 103
"""Bytes of a path that fit in `sockaddr_un` on macOS; Linux takes 107."""
MAX_LOG_SIZE = 4 << 20
"""Bytes of mongod's log above which the next start puts it aside as `mongod.log.1`."""
DYING = 5.0
"""Seconds that a killed mongod may take to give everything back."""
POLL = 0.01
"""Seconds between two looks at something that is about to happen."""
STEADY = 10.0
"""Seconds after which a mongod was a healthy one: should it die later, it restarts at once."""


class EmbeddedMongo:
    """One mongod, kept running from `start` to `stop`: when it dies in between, it is restarted.

    `async with EmbeddedMongo(directory) as uri:` does both.

    Args:
        directory: where all of it is kept: the data in `db/`, the log, the lock, the socket.
            Made when missing, open to our user only.
        mongod: the program to run; by default `find_mongod()`.
        start_timeout: seconds until `start` gives up.
        stop_timeout: seconds that a mongod has to shut down before it is killed; 0 where its data are worth nothing.
    """

    def __init__(
        self,
        directory: Path,
        *,
        mongod: Path | None = None,
        start_timeout: float = 30.0,
        stop_timeout: float = 10.0,
    ) -> None:
        self._directory = directory.absolute()
        self._data = self._directory / "db"
        self._log = self._directory / "mongod.log"
        self._log_start = 0
        self._mongod = mongod
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._resources = contextlib.ExitStack()
        self._spawning = threading.Lock()
        self._serving = threading.Event()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._last_end = ""

    @property
    def pid(self) -> int | None:
        """The process id of the mongod last started; None before the first."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Starts mongod and returns its URI once it is a writable primary.

        The URI is good for every process of this user on this machine, and across restarts of
        mongod until `stop`. Its `directConnection=true` must stay: only mongod itself can
        resolve the name that the replica set has for it.

        Raises:
            EmbeddedMongoError: there is no mongod that runs, another server holds the directory,
                or mongod does not come up in time.
        """
        mongod = self._mongod or find_mongod()
        self._claim_directory()
        # Leaving without `stop` shuts mongod down too; where even this is not run, Linux kills it.
        atexit.register(self._resources.close)
        try:
            await self._evict_orphan()
            folder = self._socket_folder()
            self._launch(mongod, folder)
            return await self._until_primary(mongod, folder / _mongod.SOCKET)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shuts mongod down cleanly, or kills it where that takes too long; frees the directory.

        Does nothing when nothing runs. `start` may be called again afterwards.
        """
        await asyncio.to_thread(self._resources.close)
        atexit.unregister(self._resources.close)

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _claim_directory(self) -> None:
        """Makes the directory ours until `stop`, or for the life of this process."""
        path = self._directory / "lock"
        try:
            _make_private(self._data)
            lock = _mongod.try_lock(path)
        except OSError as error:
            raise EmbeddedMongoError(
                f"cannot keep data in {self._directory} ({error}): choose another directory"
            ) from error
        if lock is None:
            raise EmbeddedMongoError(
                f"{self._directory} is in use by another server, process {_mongod.pid_in(path)}: "
                "stop that one, or give this one a directory of its own"
            )
        self._resources.callback(os.close, lock)
        os.truncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())

    async def _evict_orphan(self) -> None:
        """Stops a mongod that an earlier server left on our data: outside Linux it survives."""
        # For its whole life a mongod holds a flock on this file, and writes its pid in it.
        path = self._data / "mongod.lock"
        begin = time.monotonic()
        sent = None
        while (lock := _mongod.try_lock(path)) is None:
            waited = time.monotonic() - begin
            pid = _mongod.pid_in(path)
            line = _mongod.command_line(pid)  # empty when it is dying: then we only wait
            stranger = line and str(self._data) not in line
            if stranger or waited > self._stop_timeout + DYING:
                raise EmbeddedMongoError(f"process {pid} uses {self._data}: stop that one first")
            due = signal.SIGTERM if waited < self._stop_timeout else signal.SIGKILL
            if line and due is not sent:
                log.warning("stopping a mongod left behind", pid=pid, signal=due.name)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, due)
                sent = due
            await asyncio.sleep(POLL)
        os.close(lock)

    def _socket_folder(self) -> Path:
        """Returns where the socket goes: our directory, or a temporary one if its path is long."""
        if _fits(self._directory / _mongod.SOCKET):
            return self._directory
        parent = os.environ.get("XDG_RUNTIME_DIR")
        folder = Path(tempfile.mkdtemp(prefix="songserver-", dir=parent))
        self._resources.callback(shutil.rmtree, folder, ignore_errors=True)
        if not _fits(folder / _mongod.SOCKET):
            raise EmbeddedMongoError(
                f"{folder / _mongod.SOCKET} is too long a path for a Unix socket: "
                f"set {'XDG_RUNTIME_DIR' if parent else 'TMPDIR'} to a shorter one"
            )
        return folder

    def _launch(self, mongod: Path, folder: Path) -> None:
        """Starts the thread that keeps mongod running, with `folder` as its working directory."""
        self._serving.clear()
        self._stopping.clear()
        self._process = None
        # Not the event loop's thread: mongod dies with the thread that spawned it, and a loop may
        # outlive the thread it began in. This one ends after mongod, or with the whole process.
        self._keeper = threading.Thread(
            target=self._keep_running,
            args=(_mongod.command(mongod, self._data, self._log), folder),
            name="embedded-mongod",
            daemon=True,
        )
        self._keeper.start()
        self._resources.callback(self._shut_down)

    def _keep_running(self, command: list[str], folder: Path) -> None:
        """Runs mongod: once until it is `_serving`, from then on anew until it is `_stopping`."""
        delay = 0.0
        while True:
            started = time.monotonic()
            try:
                with self._spawning:
                    if self._stopping.is_set():
                        return
                    self._process = self._spawn(command, folder)
                self._last_end = f"exit status {self._process.wait()}"
            except OSError as error:  # the machine is out of memory, processes or disk
                self._last_end = str(error)
            if self._stopping.is_set() or not self._serving.is_set():
                return
            steady = time.monotonic() - started > STEADY
            delay = 0.0 if steady else min(max(2 * delay, 0.1), 5.0)
            log.error("mongod died, restarting it", reason=self._last_end, delay_seconds=delay)
            self._stopping.wait(delay)

    def _spawn(self, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
        if self._log.exists() and self._log.stat().st_size > MAX_LOG_SIZE:
            self._log.replace(self._log.with_name(f"{self._log.name}.1"))
        # What is said before mongod opens its log, by the loader for one, goes to the same file.
        output = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._log_start = os.fstat(output).st_size
            return subprocess.Popen(  # noqa: S603  # our own words, and no shell
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,  # a terminal's Ctrl-C is for us; we stop mongod in time (and see worker_process.py)
            )
        finally:
            os.close(output)

    def _shut_down(self) -> None:
        """Ends mongod and the thread that keeps it running."""
        with self._spawning:
            self._stopping.set()
            process = self._process
        if process is not None:
            process.terminate()
            self._keeper.join(self._stop_timeout)
            if self._keeper.is_alive():
                if self._stop_timeout:
                    log.warning("mongod did not stop in time, killing it", pid=process.pid)
                process.kill()
        self._keeper.join()

    async def _until_primary(self, mongod: Path, path: Path) -> str:
        """Waits until the mongod that is to listen at `path` takes writes; returns its URI."""
        uri = _uri(path)
        try:
            async with asyncio.timeout(self._start_timeout):
                while not (_accepts(path) and await _is_primary(uri)):
                    if not self._keeper.is_alive():
                        raise self._start_error(f"{mongod} does not run ({self._last_end})")
                    await asyncio.sleep(POLL)
        except TimeoutError:
            problem = f"{mongod} is not ready after {self._start_timeout:g} s"
            raise self._start_error(problem) from None
        self._serving.set()
        return uri

    def _start_error(self, problem: str) -> EmbeddedMongoError:
        said = b""
        with contextlib.suppress(OSError):  # the problem may be the log itself
            said = self._log.read_bytes()[self._log_start :]
        complaint = _mongod.complaint(said.decode(errors="replace"))
        return EmbeddedMongoError(f"{problem}: {complaint} (log: {self._log})")


async def uri_of_running(directory: Path) -> str | None:
    """Gives the URI of the mongod that another server runs on a directory; None if there is none.

    Not found is one whose socket is elsewhere, because the path of the directory is too long for it.

    Args:
        directory: Where that server keeps it; an absolute path.
    """
    path = directory / _mongod.SOCKET
    return _uri(path) if _fits(path) and _accepts(path) and await _is_primary(_uri(path)) else None


def _uri(path: Path) -> str:
    return f"mongodb://{urllib.parse.quote(str(path), safe='')}/?directConnection=true"


def _make_private(directory: Path) -> None:
    """Makes `directory` and its missing parents, open to our user only."""
    for folder in reversed((directory, *directory.parents)):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH


def _accepts(path: Path) -> bool:
    """Tells whether somebody listens at `path`; pymongo itself asks only twice a second."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(os.fsencode(path)) == 0


async def _is_primary(uri: str) -> bool:
    """Tells whether mongod takes writes; makes the replica set of one where there is none yet.

    By a fresh client each time: one that met mongod before it was a replica set misjudges it.
    """
    client: AsyncMongoClient[dict[str, Any]]
    async with AsyncMongoClient(uri, serverSelectionTimeoutMS=1000) as client:
        try:
            hello = await client.admin.command("hello")
            if "setName" not in hello:
                members = [{"_id": 0, "host": _mongod.MEMBER}]
                config = {"_id": _mongod.REPLICA_SET, "members": members}
                await client.admin.command("replSetInitiate", config)
        except PyMongoError:  # it is still reading its configuration, or has just died
            return False
    return bool(hello["isWritablePrimary"])
