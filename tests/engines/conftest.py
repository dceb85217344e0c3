"""What the tests of engines share: the throw-away methods, carried by each engine."""

import asyncio
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from songserver.certificates import read_certificates
from songserver.config import Settings
from songserver.engines import envoy, grpcio
from songserver.engines.addresses import reserved, take_place
from songserver.engines.admin import Admin
from tests.engines.throwaway import make_methods

START_TIME = 30.0
ENGINES = {"grpcio", "envoy"}


@contextmanager
def on_grpcio(settings: Settings) -> Iterator[str]:
    """Carries the methods by grpcio, in a thread; gives the address."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        server = grpcio.make_server(settings)
        grpcio.add_methods(server, make_methods())
        certificates = read_certificates(settings)
        address = grpcio.add_port(server, settings, grpcio.Tls(certificates) if certificates else None)
        await server.start()
        stop = asyncio.Event()
        started.set_result((address, asyncio.get_running_loop(), stop))
        await stop.wait()
        await server.stop(None)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    address, loop, stop = started.result(START_TIME)
    yield address
    loop.call_soon_threadsafe(stop.set)
    thread.join(START_TIME)


@contextmanager
def on_envoy(settings: Settings, folder: Path) -> Iterator[str]:
    """Carries the methods by Envoy; gives the address."""
    with pytest.MonkeyPatch.context() as patch, reserved(settings.listen) as address:
        patch.setattr(envoy, "APP", "tests.engines.throwaway:app")
        settings = settings.model_copy(update={"listen": address})
        command = envoy.worker_command(settings, read_certificates(settings), folder, shares_port=True)
        with subprocess.Popen(command.arguments, env=command.environment, cwd=command.directory) as process:
            try:
                asyncio.run(until_live(Admin(folder / envoy.ADMIN), process))
                take_place(address, folder.name)
                yield address
            finally:
                process.terminate()


async def until_live(admin: Admin, process: "subprocess.Popen[bytes]") -> None:
    """Waits until an Envoy serves."""
    give_up = time.monotonic() + START_TIME
    while not await admin.is_live():
        assert process.poll() is None, f"Envoy has ended with {process.returncode}"
        assert time.monotonic() < give_up, "Envoy did not start in time"
        await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def envoy_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Envoy carries the methods."""
    with on_envoy(Settings(listen="127.0.0.1:0"), tmp_path_factory.mktemp("envoy")) as address:
        yield address


@pytest.fixture(scope="module", params=sorted(ENGINES))
def channel(request: pytest.FixtureRequest) -> Iterator[grpc.Channel]:
    """A channel to the methods, on each engine."""
    if request.param == "envoy":
        address: str = request.getfixturevalue("envoy_address")
        with grpc.insecure_channel(address) as channel:
            yield channel
    else:
        with on_grpcio(Settings(listen="127.0.0.1:0")) as address, grpc.insecure_channel(address) as channel:
            yield channel
