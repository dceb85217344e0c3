"""Page and resume tokens: opaque to clients, signed, and good only for the query that they continue."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from google.protobuf.message import Message
from itsdangerous import BadData, URLSafeSerializer

from songserver.errors import InvalidDataFormat, Violation

M = TypeVar("M", bound=Message)

PAGE_BYTES = 3_000_000
"""Size of a page at the most: clients take 4 MiB, unless they are told otherwise."""
NOT_THE_QUERY = ("page_token", "page_number", "page_size", "exact_total", "resume_token")
"""Fields of a request that may differ where a list or a stream goes on."""


class PageTokens:
    """Writes where a list goes on into a token, and reads it back."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, request: Message, position: list[str | int], *, form: str = "") -> str:
        """Gives the token that continues the request's query after a position.

        Args:
            request: The query.
            position: Where it goes on.
            form: What the position is made of, where that has changed: tokens of another form are not read.
        """
        return self._serializer(request, form).dumps(position)

    def writer(self, request: Message) -> Callable[[list[str | int]], str]:
        """Gives what `write` does for one query, for who writes many tokens of it."""
        return self._serializer(request).dumps

    def read(
        self, request: Message, field: Literal["page_token", "resume_token"] = "page_token", *, form: str = ""
    ) -> list[Any]:
        """Gives the position in a request's token.

        Raises:
            InvalidDataFormat: If it is no token of ours, or one of another query.
        """
        try:
            position: list[Any] = self._serializer(request, form).loads(getattr(request, field))
        except BadData as error:
            raise InvalidDataFormat(
                f"{field} does not continue this query: give the last one that was answered, with the same filter",
                violations=[Violation(field, "must be one that was answered to the same query")],
            ) from error
        return position

    def _serializer(self, request: Message, form: str = "") -> URLSafeSerializer:
        query = type(request)()
        query.CopyFrom(request)
        for name in NOT_THE_QUERY:
            if name in query.DESCRIPTOR.fields_by_name:
                query.ClearField(name)
        salt = f"{request.DESCRIPTOR.full_name}{form}".encode() + query.SerializeToString(deterministic=True)
        return URLSafeSerializer(self._secret, salt=salt)


def fitting(messages: Sequence[M]) -> list[M]:
    """Gives the first messages, as many as fit into one response that every client takes; at least one."""
    room = PAGE_BYTES
    for count, message in enumerate(messages):
        room -= message.ByteSize()
        if room < 0 and count:
            return list(messages[:count])
    return list(messages)


def page_size_of(asked: int, *, default: int, most: int) -> int:
    """The rows of a page: `default` where 0 was asked for, never more than `most`."""
    return min(asked or default, most)
