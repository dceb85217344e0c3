"""One line in the log for each call. Never a token, a password or a message."""

import asyncio
import time

import structlog

from songs.v1.status_pb2 import StatusCode
from songserver.errors import SongServerError
from songserver.rpc import Call, Handler

log = structlog.get_logger("songserver.calls")


async def telemetry(call: Call, proceed: Handler) -> None:
    """Lets the call proceed, and logs its method, status, duration in milliseconds, user, request id and peer.

    With mutual TLS also `client`, the name in the client's certificate.
    """
    started = time.perf_counter()
    status = "SUCCESS"
    try:
        await proceed(call)
    except SongServerError as error:
        status = StatusCode.Name(error.code)
        raise
    except asyncio.CancelledError:
        status = "CANCELLED"
        raise
    except BaseException:
        status = "INTERNAL_ERROR"
        raise
    finally:
        client = {"client": name} if (name := call.client_name()) else {}
        log.info(
            "call",
            method=call.method.path,
            status=status,
            ms=round((time.perf_counter() - started) * 1000, 2),
            user_id=call.user.user_id if call.user else None,
            request_id=call.request_id,
            peer=call.peer,
            **client,
        )
