"""A contestant that runs: started, measured from outside, and ended with all its processes."""

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import psutil

from songs.v1.song_service_pb2 import GetSongRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from tests.bench.contestants import Contestant
from tests.bench.served import Catalogue

START_TIME = 30.0
STOP_TIME = 15.0
MEGABYTE = 1 << 20
NO_SONG = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Memory:
    """What the processes of a server hold, in MB."""

    total: float
    """Of all its processes: proportional set size, in which what processes share counts once."""
    largest: float
    """The same of the largest process."""
    largest_rss: float
    """The resident set of the largest process, with all that it shares with others."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    contestant: Contestant
    address: str
    start_seconds: float
    """From the command to the first answer, with MongoDB there."""
    process: psutil.Process

    def memory(self) -> Memory:
        """What its processes hold now."""
        infos = [process.memory_full_info() for process in family(self.process)]
        return Memory(
            total=sum(info.pss for info in infos) / MEGABYTE,
            largest=max(info.pss for info in infos) / MEGABYTE,
            largest_rss=max(info.rss for info in infos) / MEGABYTE,
        )


@contextmanager
def running(contestant: Contestant, catalogue: Catalogue) -> Iterator[Server]:
    """Runs a server until the block ends; then none of its processes is left.

    Raises:
        RuntimeError: If it does not answer within `START_TIME`; says what it printed.
    """
    host, port = "127.0.0.1", _free_port()
    address = f"{host}:{port}"
    command = [part.format(address=address, host=host, port=port) for part in contestant.command]
    log_path = catalogue.directory / "server.log"
    with log_path.open("w") as log:
        begun = time.monotonic()
        environment = {**catalogue.environment, **contestant.environment}
        spawned = subprocess.Popen(
            command, cwd=contestant.directory, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        process = psutil.Process(spawned.pid)
        try:
            while not _answers(contestant, address):
                if spawned.poll() is not None or time.monotonic() > begun + START_TIME:
                    raise RuntimeError(f"{contestant.name} did not start:\n{log_path.read_text()[-2000:]}")
                time.sleep(0.005)
            yield Server(contestant, address, time.monotonic() - begun, process)
        finally:
            _end(process, spawned)


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it."""
    return [process, *process.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """The CPU time that processes have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _end(process: psutil.Process, spawned: "subprocess.Popen[bytes]") -> None:
    """Asks the server to stop; ends what is left of its own processes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        mine = family(process)
        spawned.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            spawned.wait(STOP_TIME)
        _, left = psutil.wait_procs(mine, timeout=1)
        for survivor in left:
            survivor.kill()
    spawned.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(contestant: Contestant, address: str) -> bool:
    """Whether it answers a request, if only that there is no such song or that nobody is signed in."""
    try:
        socket.create_connection(_host_and_port(address), timeout=1).close()
    except OSError:
        return False
    return _answers_http(address) if contestant.is_http else _answers_grpc(address)


def _answers_http(address: str) -> bool:
    with contextlib.closing(http.client.HTTPConnection(*_host_and_port(address), timeout=5)) as connection:
        try:
            connection.request("GET", f"/songs/{NO_SONG}")
            return connection.getresponse().status < 500
        except OSError:
            return False


def _answers_grpc(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            SongServiceStub(channel).GetSong(GetSongRequest(id=NO_SONG), timeout=5)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAUTHENTICATED}
        return True


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
