"""How a client reaches its server: TLS, keep-alive, and which calls gRPC sends again by itself."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from songs.v1 import api_key_service_pb2, audit_service_pb2, song_service_pb2, user_service_pb2

SERVICES: Final = (
    song_service_pb2.DESCRIPTOR.services_by_name["SongService"],
    user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
    api_key_service_pb2.DESCRIPTOR.services_by_name["ApiKeyService"],
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
)
USER_AGENT: Final = f"song-client/{version('song-client')}"
"""What a program is called that does not say its own name."""
RETRY_POLICY: Final = {
    "maxAttempts": 3,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


@dataclass(frozen=True, slots=True)
class TLS:
    """How a connection is secured; certificates and keys are PEM.

    `TLS()` trusts the authorities that gRPC brings. Raises ValueError for a certificate without its
    key, or a key without its certificate.
    """

    root_certificates: bytes | None = None
    """The authorities that may vouch for the server; None for those that gRPC brings."""
    certificate: bytes | None = None
    """The client's own certificate (chain), for a server that asks for one."""
    key: bytes | None = field(default=None, repr=False)
    """The private key of `certificate`."""
    server_name: str | None = None
    """The name that the server's certificate must carry, where it is not the address."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            raise ValueError(f"TLS takes certificate and key together: {missing} is missing")

    @classmethod
    def from_files(
        cls,
        root_certificates: Path | str | None = None,
        *,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        server_name: str | None = None,
    ) -> Self:
        """Read certificates and key from PEM files. Raises OSError where that fails."""

        def read(path: Path | str | None) -> bytes | None:
            return None if path is None else Path(path).read_bytes()

        return cls(read(root_certificates), read(certificate), read(key), server_name)


def service_config(services: Sequence[ServiceDescriptor] = SERVICES) -> str:
    """Make the gRPC service config (JSON) that retries just what the contract calls idempotent."""
    names = [
        {"service": service.full_name, "method": method.name}
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": RETRY_POLICY}]})


def channel_options(tls: TLS | None, user_agent: str) -> list[tuple[str, str | int]]:
    """Make the channel's options: its name, retries, keep-alive, quick reconnection, large pages."""
    options: list[tuple[str, str | int]] = [
        # gRPC's own name follows.
        ("grpc.primary_user_agent", user_agent),
        ("grpc.service_config", service_config()),
        # A peer that vanished without a word is noticed while a call waits for it.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # A server that came back is found within seconds; gRPC's own bound is two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # A page of 1,000 songs may be larger than gRPC's 4 MiB.
        ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ]
    if tls is not None and tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options


def open_channel(address: str, tls: TLS | None, user_agent: str = USER_AGENT) -> grpc.Channel:
    """Open a channel; it connects with its first call."""
    options = channel_options(tls, user_agent)
    if tls is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, _credentials(tls), options)


def open_aio_channel(address: str, tls: TLS | None, user_agent: str = USER_AGENT) -> grpc.aio.Channel:
    """Open a channel for asyncio; it connects with its first call.

    Raises RuntimeError where no event loop runs.
    """
    # grpc.aio would take a loop of its own making, and hang once the calls run in another.
    asyncio.get_running_loop()
    options = channel_options(tls, user_agent)
    if tls is None:
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, _credentials(tls), options)


def _credentials(tls: TLS) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(tls.root_certificates, tls.key, tls.certificate)
