"""A way around a fault of grpcio: a request whose path is not UTF-8 ends the server that it is sent to.

grpcio 1.81 to 1.85.1 and maybe later ones (1.80 does not) decode the path in the loop that accepts calls
(`AioServer._server_main_loop`), and the error ends the loop: anybody could end a worker with one request. Nothing of
ours is called before; what can be reached is how the decoding treats bytes that are none.
"""

import asyncio
import codecs
from functools import partial
from typing import TypeAlias

from collections.abc import Callable

ACCEPTING = "AioServer._server_main_loop"
"""The coroutine of grpcio that accepts calls: no code but grpcio's runs in its task."""
OnError: TypeAlias = Callable[[UnicodeError], tuple[str | bytes, int]]


def survive_paths_that_are_no_text() -> None:
    """Has such a path decoded with U+FFFD for what is wrong in it: there is no such method, and the call is told so.

    All other code of the process finds errors as strict as ever. To be called once by a process that serves on grpcio;
    a second time it does nothing.
    """
    strict: OnError = codecs.lookup_error("strict")
    if not isinstance(strict, partial):
        codecs.register_error("strict", partial(_on_error, strict))


def _on_error(strict: OnError, error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError) and _is_accepting():
        return "\ufffd", error.end
    return strict(error)


def _is_accepting() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # there is no loop in this thread
        return False
    return task is not None and getattr(task.get_coro(), "__qualname__", "") == ACCEPTING
