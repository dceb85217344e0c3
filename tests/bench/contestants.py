"""Who is measured: the song server in its variants, and what people would have used instead."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = HERE / "out"
PEERS = HERE / "peers"
VARIANTS = HERE / "variants"
BIN = Path(sys.executable).parent
BUILD_TIME = 600.0
"""Seconds for what a program needs, with its downloads."""

OPERATIONS = ("GetSong", "CreateSong", "ListSongs", "SearchSongs")


@dataclass(frozen=True)
class Contestant:
    """A server to measure."""

    name: str
    command: tuple[str, ...]
    """What starts it; `{address}` stands for where it is to listen."""
    operations: tuple[str, ...] = OPERATIONS
    directory: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """Programs without which it is skipped."""
    build: tuple[tuple[str, ...], ...] = ()
    """What has to run once, in its directory, before it can be started."""
    is_ours: bool = False
    """Whether it serves our own documents; the peers have a collection of their own."""
    is_http: bool = False
    is_no_op: bool = False
    """Whether it answers every GetSong with one and the same song, without MongoDB."""

    def missing(self) -> str:
        """What it cannot run without and is not there; empty if it can run."""
        return ", ".join(program for program in self.needs if shutil.which(program) is None)

    def prepare(self) -> None:
        """Installs and builds what it needs."""
        for command in self.build:
            subprocess.run(command, cwd=self.directory, check=True, timeout=BUILD_TIME, stdout=sys.stderr)


def build_go(program: str) -> tuple[str, ...]:
    """What builds a Go program in its directory."""
    return ("go", "build", "-trimpath", "-o", str(OUT / program), ".")


def _ours(name: str, *flags: str, operations: tuple[str, ...] = OPERATIONS) -> Contestant:
    # Rates are looked at as ever, but all of the load comes from one address.
    command = (str(BIN / "songserver"), "serve", "--listen", "{address}", "--peer-calls", "1e9", *flags)
    return Contestant(name, command, operations, is_ours=True)


def variant(server: Contestant, what: str, folder: str) -> Contestant:
    """Gives our server with one thing changed, to learn what that costs.

    Python runs the folder's `sitecustomize.py` at its start, as it is on PYTHONPATH: so it is there in every worker,
    also in Envoy's, and the product needs no setting for it.
    """
    path = os.pathsep.join(filter(None, (str(VARIANTS / folder), str(ROOT), os.environ.get("PYTHONPATH"))))
    return replace(
        server,
        name=f"{server.name}: {what}",
        operations=("GetSong",),
        environment={"PYTHONPATH": path},
        is_no_op=folder == "no_op",
    )


GRPCIO_SYNC = Contestant(
    "grpcio, synchronous", (sys.executable, "-m", "tests.bench.peers.grpcio_sync.server", "{address}")
)
GRPCIO_AIO = Contestant("grpcio, aio", (sys.executable, "-m", "tests.bench.peers.grpcio_aio.server", "{address}"))
GRPCIO_AIO_NO_OP = Contestant(
    "grpcio, aio: no-op",
    (sys.executable, "-m", "tests.bench.peers.grpcio_aio.no_op", "{address}"),
    ("GetSong",),
    is_no_op=True,
)
GO = Contestant(
    "Go, grpc-go",
    (str(OUT / "go_grpc"), "{address}"),
    directory=PEERS / "go_grpc",
    needs=("go",),
    build=(
        (
            "env",
            f"PROTOC={BIN / 'python-grpc-tools-protoc'}",
            str(ROOT / "clients/go/generate.sh"),
            str(ROOT / "generated/songs/v1/contract.binpb"),
        ),
        build_go("go_grpc"),
    ),
)
NODE = Contestant(
    "Node.js, grpc-js",
    ("node", "server.js", "{address}"),
    directory=PEERS / "node_grpcjs",
    needs=("node", "npm"),
    build=(("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"),),
)
GUNICORN, UVICORN = str(BIN / "gunicorn"), str(BIN / "uvicorn")
FLASK = Contestant(
    "Flask, gunicorn",
    (GUNICORN, "--bind", "{address}", "--workers", "2", "--threads", "8", "server:create_app()"),
    directory=PEERS / "flask_gunicorn",
    needs=(GUNICORN,),
    is_http=True,
)
FASTAPI = Contestant(
    "FastAPI, uvicorn",
    (UVICORN, "--host", "{host}", "--port", "{port}", "--workers", "2", "--no-access-log", "server:app"),
    directory=PEERS / "fastapi_uvicorn",
    needs=(UVICORN,),
    is_http=True,
)
PEERS_ALL = (FLASK, FASTAPI, GRPCIO_SYNC, GRPCIO_AIO, NODE, GO)

OURS = "song server"
"""What the names of our own begin with."""


def ours() -> Sequence[Contestant]:
    """The song server on each engine that can run here, with its variants."""
    return [contestant for engine in engines() for contestant in of_engine(engine)]


def engines() -> Sequence[str]:
    """The engines that can run here."""
    return ("grpcio", "envoy") if importlib.util.find_spec("pyvoy") else ("grpcio",)


def of_engine(engine: str) -> Sequence[Contestant]:
    """The song server on an engine: as it is served, without auth, with a log of its calls, and its no-op."""
    flags = ("--engine", engine, "--workers", str(WORKERS[engine]))
    server = _ours(f"{OURS}, {engine}", *flags)
    return (
        server,
        variant(server, "without auth", "no_auth"),
        _ours(f"{server.name}: every call logged", *flags, "--log-level", "info", operations=("GetSong",)),
        variant(server, "no-op", "no_op"),
    )


WORKERS = {"grpcio": 2, "envoy": 1}
"""The workers with which each engine serves best on two cores, which it shares with MongoDB and the load. One of
Envoy's has a thread for HTTP and one for Python, and keeps both cores busy."""
