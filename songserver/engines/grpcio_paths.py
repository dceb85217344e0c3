"""A way around a fault of grpcio: a request whose path is not UTF-8 ends the server that it is sent to.

grpcio 1.84.0 to 1.85.1, the newest (1.83 and older have it not), decode the path of a call in the loop that accepts
calls, `AioServer._server_main_loop`, and the error ends the loop: anybody could end a worker with one request. All of
that is compiled, and nothing of ours is called before, neither interceptors nor handlers; what can be reached is how
bytes are decoded that are no text. Where grpcio is mended, `tests/operations/test_edge.py` says so.
"""

import asyncio
import codecs
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

ACCEPTING = "AioServer._server_main_loop"
"""The coroutine of grpcio that accepts calls: no code but grpcio's runs in its task."""
OnError: TypeAlias = Callable[[UnicodeError], tuple[str | bytes, int]]


def survive_paths_that_are_no_text() -> None:
    """Has such a path decoded with U+FFFD for what is wrong in it: there is no such method, and the call is told so.

    This is for all of the process, but changes nothing for other code: to that, errors are as strict as ever. A second
    time it does nothing.
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
