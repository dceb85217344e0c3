"""Measures coverage inside Envoy, whose threads and exit are none that coverage sees by itself."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import coverage

from songserver.engines import envoy_worker
from songserver.engines.carry import Scope
from songserver.engines.framing import Receive, Send


@contextmanager
def covered() -> Iterator[None]:
    """Measures what an application's thread does in its life, if coverage is measured; writes it down at the end."""
    if trace := threading.gettrace():
        sys.settrace(trace)
    yield
    if measured := coverage.Coverage.current():
        measured.stop()
        measured.save()


async def worker(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of a worker."""
    if scope["type"] != "lifespan":
        await envoy_worker.app(scope, receive, send)
        return
    with covered():
        await envoy_worker.app(scope, receive, send)
