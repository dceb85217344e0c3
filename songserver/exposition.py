"""What a supervisor tells over HTTP: `/metrics`, its own and those of its workers, and `/healthz` for probes."""

import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from platform import python_version
from socketserver import ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from songserver import __version__
from songserver.engines.addresses import cannot_listen, places, port_of
from songserver.worker import ServingStatus

ENDED = "ended"
"""Stands where a file of a worker has its process id: in these files is what workers counted that have ended."""
ATTEMPTS = 10
"""How often the files of workers are read again while one of them is being made."""
PAUSE = 0.01
"""Seconds between these."""
PATIENCE = 10.0
"""Seconds that a client has to send its request."""


class Observed(Protocol):
    """What is told of a supervisor."""

    restarts: int
    """How often a worker was restarted after it had died."""

    @property
    def status(self) -> ServingStatus:
        """The health that clients are told."""

    @property
    def pids(self) -> Mapping[int, int]:
        """The process ids of the workers that serve, by their numbers."""


class Exposition:
    """Tells of a supervisor and its workers."""

    def __init__(self, observed: Observed, folder: Path) -> None:
        """
        Args:
            observed: What is told of.
            folder: Where the workers write what they count.
        """
        self._observed = observed
        self._folder = folder
        self._lock = threading.Lock()
        registry = CollectorRegistry()
        registry.register(self)
        self._workers = MultiProcessCollector(None, str(folder))
        self._metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

    def collect(self) -> Iterator[Metric]:
        """Gives what is known now; for a registry."""
        pids = self._observed.pids
        up = self._observed.status == "SERVING"
        yield GaugeMetricFamily("songserver_mongodb_up", "Whether MongoDB takes writes.", value=up)
        yield GaugeMetricFamily("songserver_workers", "Workers that serve.", value=len(pids))
        restarts = self._observed.restarts
        yield CounterMetricFamily("songserver_worker_restarts", "Workers restarted after they had died.", restarts)
        build = {"version": __version__, "python": python_version()}
        yield InfoMetricFamily("songserver_build", "What runs here.", build)
        memory = GaugeMetricFamily("songserver_worker_resident_memory_bytes", "Memory of a worker.", labels=["worker"])
        seconds = CounterMetricFamily("songserver_worker_cpu_seconds", "CPU time of a worker.", labels=["worker"])
        for number, (resident, used) in _processes(pids):
            memory.add_metric([str(number)], resident)
            seconds.add_metric([str(number)], used)
        yield from (memory, seconds)
        with self._lock:
            yield from self._counted()

    def _counted(self) -> list[Metric]:
        for _ in range(ATTEMPTS):
            with suppress(struct.error):
                return list(self._workers.collect())
            # A worker has just made its file, and written nothing into it yet.
            time.sleep(PAUSE)
        return list(self._workers.collect())

    def forget(self, pid: int) -> None:
        """Keeps what a worker counted that has ended, but not its file: there would be more and more of them."""
        with self._lock:
            mark_process_dead(pid, str(self._folder))
            for kind in ("counter", "histogram"):
                file = self._folder / f"{kind}_{pid}.db"
                if file.exists():
                    _add(MmapedDict.read_all_values_from_file(str(file)), self._folder / f"{kind}_{ENDED}.db")
                    file.unlink()

    @contextmanager
    def served(self, address: str) -> Iterator[str]:
        """Serves it at an address, host:port; gives the address with the port that it got.

        Raises:
            ListenError: If the address cannot be served on.
        """
        try:
            server = Server(address, self._respond)
        except (OSError, OverflowError) as error:
            raise cannot_listen(address, error, "metrics_listen") from error
        thread = threading.Thread(target=server.serve_forever, name="exposition", daemon=True)
        thread.start()
        try:
            yield f"{address.rpartition(':')[0]}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()

    def _respond(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return self._metrics(environ, start_response)
        answer, text = "404 Not Found", "here are /metrics and /healthz"
        if path == "/healthz":
            text = self._observed.status
            answer = "200 OK" if text == "SERVING" else "503 Service Unavailable"
        start_response(answer, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request: they are few, and one that is slow holds up no other."""

    daemon_threads = True

    def __init__(self, address: str, app: Callable[..., Iterable[bytes]]) -> None:
        place = next(places(address, port_of(address)))
        self.address_family = place.family
        super().__init__(place.sockaddr[:2], Handler)
        self.set_app(app)


class Handler(WSGIRequestHandler):
    """Logs nothing: a probe comes every few seconds."""

    timeout = PATIENCE

    def log_message(self, *_: object) -> None:
        """Does nothing."""


def _add(values: Iterable[tuple[str, float, float, int]], file: Path) -> None:
    total = MmapedDict(str(file))
    for key, value, _, _ in values:
        total.write_value(key, total.read_value(key)[0] + value, 0.0)
    total.close()


def _processes(pids: Mapping[int, int]) -> Iterator[tuple[int, tuple[int, float]]]:
    """Gives the resident memory in bytes and the CPU time in seconds of each process, where /proc has them."""
    for number, pid in pids.items():
        try:
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            # After the name, which may have blanks in it.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        user, system = int(fields[11]), int(fields[12])
        yield number, (resident * os.sysconf("SC_PAGE_SIZE"), (user + system) / os.sysconf("SC_CLK_TCK"))
