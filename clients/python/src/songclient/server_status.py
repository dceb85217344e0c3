"""How a stream of grpc.aio really ended."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import grpc

T = TypeVar("T")

PATIENCE: Final = 1.0
"""Seconds that the server's status may come after grpc.aio's own."""


class ServerStatus:
    """Keeps the status with which the server ends a call.

    A stream that the server ends early often shows INTERNAL instead, before or after the server's status has come:
    grpc.aio's word for a message that can no longer be written (https://github.com/grpc/grpc/issues/36066).
    """

    def __init__(self, call: grpc.aio.Call) -> None:
        """
        Args:
            call: The call, before it has ended.
        """
        self._sent: asyncio.Future[grpc.RpcError] = asyncio.get_running_loop().create_future()
        call.add_done_callback(self._keep)

    async def instead_of(self, error: grpc.RpcError) -> grpc.RpcError:
        """Gives what the server sent, or if it sent nothing, the error that the call shows."""
        if not _may_be_grpcs_own(error):
            return error
        done, _ = await asyncio.wait([self._sent], timeout=PATIENCE)
        return self._sent.result() if done else error

    def _keep(self, call: grpc.aio.Call) -> None:
        error = grpc.aio.AioRpcError(
            _at_once(call.code()),
            trailing_metadata=_at_once(call.trailing_metadata()),
            details=_at_once(call.details()) or "the server ended the call early",
        )
        if not self._sent.done() and not _may_be_grpcs_own(error):
            self._sent.set_result(error)


def _may_be_grpcs_own(error: grpc.RpcError) -> bool:
    return error.code() is grpc.StatusCode.INTERNAL and not error.trailing_metadata()


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Gives what a coroutine returns that has nothing to wait for: a call that is done knows all of its status."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise RuntimeError("the call is not done yet")
