"""The supervisor: one process that looks after all that a server is: its workers, MongoDB, health and metrics.

It serves no calls itself. What it says to a worker, and hears of it, is in `worker.py`.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from songserver.certificates import CertificatesError, followed, read_certificates
from songserver.config import Settings
from songserver.cores import available_cores
from songserver.engines.addresses import UNIX, is_local, reserved
from songserver.sources import SettingsError
from songserver.worker import ServingStatus
from songserver.worker_process import WorkerFailed, WorkerProcess

ADMIN_PASSWORD_FILE = "admin-password"  # noqa: S105 - a name, not a password
STEADY = 10.0
"""Seconds after which a worker was a healthy one: should it die later, it is restarted at once."""
SHORTEST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds before another restart of one that was not."""
FIXED = ("listen", "engine", "data_directory", "mongodb_uri", "mongodb_database", "metrics_listen")
"""Settings that stay as they are until the server is started anew."""
JITTER = 1.1
"""By this at the most an engine makes the age that a connection reaches longer."""
SETTLING = 5.0
"""Seconds, enough on a busy machine, in which a worker that leaves takes its last connections, and clients go that have
been told to."""

log = structlog.get_logger()


class Supervisor:
    """Keeps as many workers running as the settings say."""

    def __init__(self, settings: Settings, address: str, folder: Path) -> None:
        """
        Args:
            settings: The settings.
            address: Where workers listen.
            folder: A directory that is there as long as the supervisor, for sockets and what workers count.

        Raises:
            CertificatesError: If those of the settings cannot be used.
        """
        self.restarts = 0
        """How often a worker was restarted after it had died."""
        self.status: ServingStatus = "NOT_SERVING"
        """The health that clients are told."""
        self.hurry = asyncio.Event()
        """Set by who does not want to wait for the calls in flight."""
        self.forget: Callable[[int], None] | None = None
        """Hears of each worker, by its process id, that has ended."""
        self._asked = settings
        self._settings = settings.model_copy(update={"listen": address})
        self._certificates = read_certificates(settings)
        self._folder = folder
        self._mongodb_uri = ""
        self._serving: dict[int, WorkerProcess] = {}
        self._processes: set[WorkerProcess] = set()
        """Also those that are getting ready, or leave."""
        self._delays: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> Mapping[int, int]:
        """The process ids of the workers that serve, by their numbers."""
        return {number: worker.pid for number, worker in list(self._serving.items())}

    async def launch(self) -> None:
        """Starts the workers; they get ready for their task.

        Raises:
            WorkerFailed: If there can be no process.
        """
        for number in range(1, worker_count(self._settings) + 1):
            await self._start(number)

    async def serve(self, mongodb_uri: str) -> None:
        """Makes the workers that were launched take calls.

        Raises:
            WorkerFailed: If one cannot.
        """
        self._mongodb_uri = mongodb_uri
        workers = list(self._processes)
        await asyncio.gather(*map(self._give_task, workers))
        self._serving = {worker.number: worker for worker in sorted(workers, key=lambda worker: worker.number)}
        # One that has died since then was nobody's to restart.
        for worker in workers:
            self._spawn(self._look_after(worker))
        self._spawn(self._follow_certificates())

    async def tell(self, status: ServingStatus) -> None:
        """Has clients told a new health."""
        self.status = status
        for worker in self._processes:
            worker.tell_health(status)

    async def reload(self, read: Callable[[], Settings]) -> None:
        """Reads the settings again, and replaces the workers one by one: a new one serves before the old one goes.

        If the settings cannot be used, all stays as it is.
        """
        try:
            asked = read()
            certificates = read_certificates(asked)
        except (SettingsError, CertificatesError) as error:
            log.error("settings that cannot be used: all stays as it is", reason=str(error))  # noqa: TRY400 - no fault of ours
            return
        kept = [name for name in FIXED if getattr(asked, name) != getattr(self._asked, name)]
        if kept:
            log.warning("settings that change only when the server is started anew", settings=kept)
        before, old, certificates_before = self._settings, set(self._serving.values()), self._certificates
        self._settings = asked.model_copy(update={name: getattr(before, name) for name in FIXED})
        self._certificates = certificates
        count = worker_count(self._settings)
        for number in range(1, count + 1):
            try:
                worker = await self._start_serving(number)
            except WorkerFailed as error:
                log.error("no worker can serve with the new settings: those that are there stay", reason=str(error))  # noqa: TRY400
                self._settings, self._certificates = before, certificates_before
                return
            self._take_place(worker, before)
        for number in [number for number in self._serving if number > count]:
            self._retire(self._serving.pop(number), before)
        # Whoever has read the line finds the new settings.
        await asyncio.gather(*(worker.turned_away() for worker in old))
        log.info("reloaded", workers=count)

    async def stop(self) -> None:
        """Ends all workers; calls in flight have `shutdown_grace` to finish, or until there is `hurry`."""
        await self._end_tasks()
        awaited = {asyncio.create_task(self._drain()), asyncio.create_task(self.hurry.wait())}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        for task in awaited:
            task.cancel()
        await self.kill()

    async def kill(self) -> None:
        """Ends at once what still runs."""
        await self._end_tasks()
        await asyncio.gather(*(worker.kill() for worker in list(self._processes)))

    async def _drain(self) -> bool:
        grace = self._settings.shutdown_grace
        async with asyncio.TaskGroup() as group:
            for worker in self._processes:
                group.create_task(worker.drain(grace) if worker.is_ready else worker.kill())
        return True

    async def _start(self, number: int) -> WorkerProcess:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        environment = {"PROMETHEUS_MULTIPROC_DIR": str(self._folder)} if self._settings.metrics_listen else {}
        worker = await WorkerProcess.start(number, self._settings, self._certificates, folder, environment)
        self._processes.add(worker)
        return worker

    async def _start_serving(self, number: int) -> WorkerProcess:
        worker = await self._start(number)
        self._spawn(self._look_after(worker))
        await self._give_task(worker)
        return worker

    async def _give_task(self, worker: WorkerProcess) -> None:
        await worker.serve(self._settings, self._mongodb_uri, self._certificates, self.status)

    async def _follow_certificates(self) -> None:
        async for certificates in followed(lambda: self._settings, self._certificates):
            self._certificates = certificates
            for worker in self._processes:
                worker.renew(certificates)

    async def _look_after(self, worker: WorkerProcess) -> None:
        """Waits for the end of a worker, and restarts it if it was not meant to end."""
        status = await worker.ended()
        self._processes.discard(worker)
        shutil.rmtree(worker.folder, ignore_errors=True)
        if self.forget:
            self.forget(worker.pid)
        if self._serving.get(worker.number) is worker:
            del self._serving[worker.number]
            log.error("worker died, restarting it", worker=worker.number, pid=worker.pid, exit_status=status)
            if time.monotonic() - worker.started > STEADY:
                self._delays.pop(worker.number, None)
            await self._restart(worker.number)

    async def _restart(self, number: int) -> None:
        while number not in self._serving and number <= worker_count(self._settings):
            delay = self._delays.get(number, 0.0)
            self._delays[number] = min(max(2 * delay, SHORTEST_DELAY), LONGEST_DELAY)
            await asyncio.sleep(delay)
            self.restarts += 1
            try:
                worker = await self._start_serving(number)
            except WorkerFailed as error:
                log.error("a worker cannot serve, trying again", worker=number, reason=str(error))  # noqa: TRY400
            else:
                self._take_place(worker, self._settings)

    def _take_place(self, worker: WorkerProcess, before: Settings) -> None:
        """Lets a worker be the one that serves under its number; the one before leaves."""
        old = self._serving.get(worker.number)
        self._serving[worker.number] = worker
        if old:
            self._retire(old, before)

    def _retire(self, worker: WorkerProcess, settings: Settings) -> None:
        """Lets a worker end once its connections have, so that no call fails."""
        linger = settings.max_connection_age * JITTER + SETTLING + settings.shutdown_grace
        self._spawn(worker.drain(linger))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def worker_count(settings: Settings) -> int:
    """Gives how many workers there are to be."""
    return settings.workers or (1 if settings.listen.startswith(UNIX) else available_cores())


@asynccontextmanager
async def supervising(settings: Settings, say: Callable[[str], None]) -> AsyncIterator[tuple[Supervisor, str]]:
    """Runs a whole server: MongoDB, workers, health, metrics; gives its supervisor and the address that it serves on.

    On the way out health goes first, then calls in flight finish within the grace, then MongoDB closes.

    Args:
        settings: The settings.
        say: Takes lines for the operator.

    Raises:
        EmbeddedMongoError, DatabaseFailure: If there is no MongoDB.
        KeysError: If the keys cannot be used.
        CertificatesError: If the certificates cannot be used.
        ListenError: If the address cannot be served on.
        WorkerFailed: If a worker cannot serve for another reason.
    """
    async with AsyncExitStack() as stack:
        address = stack.enter_context(reserved(settings.listen))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="songserver-")))
        supervisor = Supervisor(settings, address, folder)
        if settings.metrics_listen:
            _expose(supervisor, settings.metrics_listen, folder, stack, say)
        stack.push_async_callback(supervisor.kill)
        # Before anything else, even before what follows is imported: it takes a worker 0.4 s to be ready for its task.
        await supervisor.launch()
        from songserver.auth.keys import load_keys  # noqa: PLC0415
        from songserver.groundwork import groundwork, make_accounts  # noqa: PLC0415
        from songserver.lookout import Lookout  # noqa: PLC0415

        ground = await stack.enter_async_context(groundwork(settings))
        load_keys(settings.keys_kept_in)
        if not settings.mongodb_uri:
            say(f"MongoDB of its own, data in {settings.data_directory / 'mongodb'}")
            # Before anyone can sign up.
            accounts = make_accounts(settings, ground.mongo)
            stack.callback(accounts.passwords.close)
            if made := await accounts.make_first_admin(settings.data_directory / ADMIN_PASSWORD_FILE):
                name, password, file = made
                say(f"made the account {name!r} with the password {password} (kept in {file})")
        if not settings.tls_certificate and not is_local(address):
            log.warning("passwords and tokens go over the network in the clear: set tls_certificate", address=address)
        stack.push_async_callback(supervisor.stop)
        lookout = Lookout(ground.mongo, supervisor.tell)
        stack.push_async_callback(lookout.stop)
        await lookout.start()
        await supervisor.serve(ground.mongodb_uri)
        yield supervisor, address


def _expose(
    supervisor: Supervisor, address: str, folder: Path, stack: AsyncExitStack, say: Callable[[str], None]
) -> None:
    from songserver.exposition import Exposition  # noqa: PLC0415 - who does not want it needs none of its libraries

    exposition = Exposition(supervisor, folder)
    supervisor.forget = exposition.forget
    say(f"metrics on http://{stack.enter_context(exposition.served(address))}/metrics")
