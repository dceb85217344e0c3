"""A call as interceptors and servicers see it, whichever engine carries it.

This is the small face of the transport: metadata, peer, deadline, messages in and out. A servicer's method takes the
request (or an async iterator of requests) and the `Call`, and gives the response (or is an async generator of them).
"""

import functools
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote

import grpc
import uuid_utils
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from songs.v1 import access_pb2
from songs.v1.access_pb2 import SCOPE_UNSPECIFIED, Privilege, Scope

DEADLINE_MARGIN = 0.05
"""Seconds before the caller's deadline at which the database's time is up, so that the caller still hears of it."""

UNIX_PEER = "unix"
"""The address of who comes by a Unix socket."""

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
"""Gives the next request of a call, or None after the last one: bytes as the engine has it; a message as the servicer
gets it, once the validation interceptor has been at it."""
Send: TypeAlias = Callable[[Message], Awaitable[None]]
"""Takes a response of a call."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC, as its descriptor in the contract says."""

    path: str
    """As on the wire: `/songs.v1.SongService/GetSong`."""
    name: str
    """`GetSong`."""
    request_type: type[Message]
    client_streaming: bool
    server_streaming: bool
    access: Privilege.ValueType
    """The privilege that a caller needs."""
    scope: Scope.ValueType = SCOPE_UNSPECIFIED
    """The scope that an API key needs; unspecified: no API key will do."""
    no_side_effects: bool = False
    """Whether a call changes nothing, and may be an HTTP GET."""

    @classmethod
    def of(cls, descriptor: MethodDescriptor, access: Privilege.ValueType | None = None) -> "Method":
        """Reads a method's descriptor.

        Args:
            descriptor: The method's.
            access: The privilege that a caller needs, where it is not the contract that says so.

        Raises:
            ValueError: If the contract does not say who may call it.
        """
        options = descriptor.GetOptions()
        access = options.Extensions[access_pb2.access] if access is None else access
        service: ServiceDescriptor = descriptor.containing_service
        if access == access_pb2.PRIVILEGE_UNSPECIFIED:
            raise ValueError(f"{descriptor.full_name} has no (songs.v1.access) option: say who may call it")
        return cls(
            path=f"/{service.full_name}/{descriptor.name}",
            name=descriptor.name,
            request_type=GetMessageClass(descriptor.input_type),
            client_streaming=descriptor.client_streaming,
            server_streaming=descriptor.server_streaming,
            access=access,
            scope=options.Extensions[access_pb2.scope],
            no_side_effects=options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """The user that a call is made for, who is signed in or has made an API key."""

    user_id: str
    session_id: str
    """Empty where an API key is used."""
    privilege: Privilege.ValueType
    api_key_id: str = ""
    """Empty in a session."""
    scopes: frozenset[Scope.ValueType] | None = None
    """What an API key is for; None: a session, which is for everything."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a failed call ends on the wire."""

    code: grpc.StatusCode
    message: str
    trailers: Metadata


class Call:
    """One call in flight."""

    __slots__ = (
        "method",
        "metadata",
        "peer",
        "client_name",
        "deadline",
        "receive",
        "send",
        "request",
        "request_id",
        "user",
        "status",
    )

    def __init__(
        self,
        method: Method,
        *,
        metadata: Metadata,
        peer: str,
        client_name: Callable[[], str] = str,
        timeout: float | None,
        receive: Receive,
        send: Send,
    ) -> None:
        """
        Args:
            method: What is called.
            metadata: The request's headers.
            peer: The address that the call comes from.
            client_name: Gives the name in the client's certificate; empty if it has shown none.
            timeout: Seconds until the caller's deadline; None if it set none.
            receive: Gives its requests.
            send: Takes its responses.
        """
        self.method = method
        self.metadata = metadata
        self.peer = peer
        self.client_name = client_name
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.receive = receive
        self.send = send
        self.request: Message | None = None
        """The message that was received last; the log of an incident shows it, without its secrets."""
        self.request_id = str(uuid_utils.uuid4())
        self.user: Caller | None = None
        self.status: Status | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds until the caller's deadline, 0 or below once it has passed; None if there is none."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    @property
    def is_late(self) -> bool:
        """Whether the caller's deadline has passed, or is so near that the database was not given more time."""
        remaining = self.remaining
        return remaining is not None and remaining <= 2 * DEADLINE_MARGIN

    @property
    def address(self) -> str:
        """The peer's address without its port; of a Unix socket, "unix"."""
        return address_of(self.peer)

    @property
    def network(self) -> str:
        """What of the address stays the same for one client: all of IPv4, the first 64 bits of IPv6."""
        return network_of(self.address)

    @property
    def caller(self) -> Caller:
        """The signed-in user. To be asked for in methods that are not public only."""
        assert self.user is not None, "the auth interceptor lets nobody else in here"
        return self.user

    async def requests(self) -> AsyncIterator[Any]:
        """The messages of a client stream, as they come."""
        while (request := await self.receive()) is not None:
            yield request


Handler: TypeAlias = Callable[[Call], Awaitable[None]]


class Interceptor(Protocol):
    """What a call passes on its way to the servicer: acts, calls `proceed`, acts again."""

    async def __call__(self, call: Call, proceed: Handler) -> None:
        """Lets the call proceed, or raises."""


def handlers(
    servicer: object,
    service: ServiceDescriptor,
    interceptors: Iterable[Interceptor],
    access: Privilege.ValueType | None = None,
) -> list[tuple[Method, Handler]]:
    """Gives the methods of a service, each with the way through the interceptors to its servicer.

    Args:
        servicer: Has a method of the same name for each RPC.
        service: The service.
        interceptors: The outermost first.
        access: Who may call the methods of a service that is not of our contract, and so cannot say so itself.

    Raises:
        ValueError: If the contract does not say who may call a method.
    """
    wired = []
    for descriptor in service.methods:
        method = Method.of(descriptor, access)
        handler = _dispatch(method, getattr(servicer, method.name))
        for interceptor in reversed(list(interceptors)):
            handler = functools.partial(interceptor, proceed=handler)
        wired.append((method, handler))
    return wired


def _dispatch(method: Method, behaviour: Callable[[Any, Call], Any]) -> Handler:
    """The innermost handler: gives the servicer's method its request and sends what it answers."""

    async def requests_of(call: Call) -> Any:
        return call.requests() if method.client_streaming else await call.receive()

    async def unary(call: Call) -> None:
        await call.send(await behaviour(await requests_of(call), call))

    async def stream(call: Call) -> None:
        async with aclosing(behaviour(await requests_of(call), call)) as responses:
            async for response in responses:
                await call.send(response)

    return stream if method.server_streaming else unary


def address_of(peer: str) -> str:
    """Gives the address of a peer without its port; of a Unix socket, "unix"."""
    scheme, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if scheme in ("ipv4", "ipv6") else scheme


def network_of(address: str) -> str:
    """Gives what of an address stays the same for one client: all of IPv4, the first 64 bits of IPv6."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
