"""The innermost interceptor: makes messages of the request's bytes, and checks them against the contract's rules."""

from typing import Any

from google.protobuf.message import DecodeError, Message

from songserver.errors import RequestParseError
from songserver.rpc import Call, Handler
from songserver.rules import Rules


class Validation:
    """Gives the servicer messages that are in canonical form and keep all rules."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def __call__(self, call: Call, proceed: Handler) -> None:
        """Lets the call proceed; what it then receives is parsed and checked.

        Raises:
            RequestParseError: If the bytes are not the method's request message.
            InvalidRequest: If the message breaks rules.
        """
        receive_bytes = call.receive

        async def receive() -> Any:
            data = await receive_bytes()
            if data is None:
                return None
            call.request = self._parse(call.method.request_type, data)
            self._rules.check(call.request)
            return call.request

        call.receive = receive
        try:
            await proceed(call)
        finally:
            # Else the call would hold itself: garbage that only the collector finds: a fifth of a GetSong's time.
            call.receive = receive_bytes

    def _parse(self, request_type: type[Message], data: bytes) -> Message:
        try:
            return request_type.FromString(data)
        except DecodeError as error:
            raise RequestParseError(f"these {len(data)} bytes are no {request_type.DESCRIPTOR.full_name}") from error
