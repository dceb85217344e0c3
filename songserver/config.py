"""Every setting of the server: its type, default and unit. Where they are read from: `sources.py`."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

PREFIX = "SONGSERVER_"
METADATA_ENTRY = 32
"""Bytes that an entry of metadata counts beyond its name and value (RFC 9113, SETTINGS_MAX_HEADER_LIST_SIZE)."""

File = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
HostPort = Annotated[str, StringConstraints(pattern=r"^.+:\d{1,5}$")]
Origins = Annotated[str, StringConstraints(pattern=r"^(\*|https?://[^/,\s]+(,https?://[^/,\s]+)*)$")]
Address = Annotated[str, StringConstraints(pattern=r"^(.+:\d{1,5}|unix:.+)$")]


def default_directory() -> Path:
    """Gives where a server keeps what it has when nobody says where: in the user's data folder."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "songserver"
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    # XDG Base Directory Specification: "If an implementation encounters a relative path [...] it
    # should consider the path invalid and ignore it."
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "songserver"


class Settings(BaseModel):
    """The settings of one server. Checked when made; pydantic's `ValidationError` says what is wrong with which."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    listen: Address = Field(
        default="127.0.0.1:50051", description="Address to serve on, host:port; port 0 takes a free one."
    )
    workers: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Processes that serve; without it one for each core that the server may use."
    )
    engine: Literal["grpcio", "envoy"] = Field(default="grpcio", description="What carries the calls.")
    tls_certificate: File | None = Field(
        default=None, description="PEM file with the server's certificate chain; turns TLS on."
    )
    tls_key: File | None = Field(default=None, description="PEM file with the private key of tls_certificate.")
    tls_client_ca: File | None = Field(
        default=None, description="PEM file with the authorities whose clients may connect; turns mutual TLS on."
    )
    data_directory: File = Field(
        default_factory=default_directory, description="Where what the server itself keeps is: MongoDB's data and keys."
    )
    mongodb_uri: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("mongodb_uri", "MONGODB_URI", "SONGSERVER_MONGODB_URI"),
        description="A replica set or sharded cluster to use; without it the server runs a MongoDB of its own.",
    )
    mongodb_database: str = Field(
        default="songs", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="The database in MongoDB."
    )
    mongodb_timeout: float = Field(
        # pymongo notices only twice a second that its time is up: calls are answered within 1.5 s.
        default=1.0,
        gt=0,
        le=60,
        description="Seconds that MongoDB may take for one operation.",
    )
    keys_directory: File | None = Field(
        default=None, description="Directory with the keys that sign tokens; default: `keys` in data_directory."
    )
    token_issuer: str = Field(default="songserver", min_length=1, description="The `iss` of access tokens.")
    token_audience: str = Field(default="songs.v1", min_length=1, description="The `aud` of access tokens.")
    access_token_lifetime: int = Field(
        default=600, ge=1, le=86400, description="Seconds for which an access token is good."
    )
    session_lifetime: int = Field(
        default=2_592_000, ge=1, description="Seconds after which a session ends that is not refreshed (30 days)."
    )
    session_memory: float = Field(
        default=4.0,
        ge=0,
        le=5,
        description="Seconds after which a sign-out or new privilege holds in every other process at the latest; where "
        "MongoDB tells of changes it is milliseconds.",
    )
    sign_up_privilege: Literal["listener", "editor"] = Field(
        default="listener", description="What a user who signs up may do."
    )
    sign_in_failures: int = Field(
        default=5, ge=1, le=100, description="Wrong passwords for one account that lock it for sign_in_lockout."
    )
    sign_in_failures_by_peer: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Wrong passwords from one address (of IPv6: the first 64 bits) that lock it for sign_in_lockout. "
        "Allow more where people share an address, as behind a proxy.",
    )
    sign_in_lockout: float = Field(
        default=900.0,
        ge=1,
        le=86400,
        description="Seconds within which wrong passwords count together, and for which too many lock (15 minutes).",
    )
    argon2_time_cost: int = Field(
        default=3, ge=1, le=100, description="Passes of argon2id over its memory for one password."
    )
    argon2_memory_cost: int = Field(
        # 64 MiB and 3 passes: RFC 9106's choice for where memory is scarce; 0.17 s of a core of 2024.
        default=65_536,
        ge=8,
        le=1_048_576,
        description="KiB of memory for one password.",
    )
    argon2_threads: int = Field(default=1, ge=1, le=64, description="Passwords that a worker hashes at the same time.")
    max_calls: int = Field(
        default=1000, ge=1, description="Calls in flight in a worker at the most; further ones answer OVERLOADED."
    )
    max_watches: int = Field(
        default=5000, ge=1, description="WatchSongs in a worker at the most, which are not among its max_calls."
    )
    max_message_bytes: int = Field(
        default=4_194_304, ge=1024, description="Size of a request message at the most, in bytes."
    )
    max_metadata_bytes: int = Field(
        default=16_384,
        ge=4096,
        le=1_048_576,
        multiple_of=1024,  # Envoy counts so
        description="Size of a call's metadata at the most, in bytes, each entry with 32 more; a multiple of 1024.",
    )
    max_connection_streams: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="Calls in flight on one connection at the most; clients hold further ones back. "
        "Default: 100 more than max_calls and max_watches.",
    )
    peer_calls: float = Field(
        # About what a worker can do at all.
        default=10_000.0,
        ge=0,
        allow_inf_nan=False,
        description="Calls a second from one address (of IPv6: the first 64 bits) that each worker takes in the long "
        "run, so that N workers take up to N times as many; further ones answer TOO_MANY_CALLS. Set it to what one of "
        "your clients may need, or to 0 where there is no bound, as behind a proxy, whose address all of them have.",
    )
    peer_calls_burst: int = Field(
        default=20_000,
        ge=1,
        description="Calls that an address may have saved up, in each worker, while it made fewer than peer_calls.",
    )
    shutdown_grace: float = Field(
        default=10.0, ge=0, description="Seconds that calls in flight have to finish at a stop."
    )
    max_connection_age: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Seconds (10 % more or less) after which a client is asked to connect anew, so that load spreads.",
    )
    max_connection_idle: float = Field(
        default=3600.0, gt=0, le=86_400, description="Seconds after which a connection without calls is closed."
    )
    metrics_listen: HostPort | None = Field(
        default=None, description="Address of /metrics (Prometheus) and /healthz over HTTP, host:port; off without it."
    )
    reflection: bool = Field(default=True, description="Whether clients may ask for the contract (grpcurl does).")
    channelz: bool = Field(
        default=False, description="Whether clients may ask for the state of connections; grpcio only."
    )
    cors_origins: Origins | None = Field(
        default=None,
        description="Whose pages may call, such as `https://songs.example`, with commas between, or `*`; Envoy only.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="How log lines look; auto is console on a terminal and json elsewhere."
    )

    @property
    def keys_kept_in(self) -> Path:
        """Where the keys are, wherever that is said."""
        return self.keys_directory or self.data_directory / "keys"

    @property
    def connection_streams(self) -> int:
        """Calls in flight on one connection at the most, wherever that is said."""
        return self.max_connection_streams or self.calls_at_once

    @property
    def calls_at_once(self) -> int:
        """Calls in flight in a worker that an engine lets through: it is we who refuse more, and health has room."""
        return self.max_calls + self.max_watches + 100

    @model_validator(mode="after")
    def _a_unix_socket_has_one_worker(self) -> "Settings":
        if self.listen.startswith("unix:") and self.workers and self.workers > 1:
            raise ValueError("a Unix socket can be served by one worker only: set workers to 1, or listen to host:port")
        return self

    @model_validator(mode="after")
    def _the_engine_has_it(self) -> "Settings":
        if self.cors_origins and self.engine != "envoy":
            raise ValueError("cors_origins is for browsers, whom only Envoy serves: set engine to envoy")
        if self.channelz and self.engine != "grpcio":
            raise ValueError("channelz is grpcio's: set engine to grpcio, or channelz to false")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key need each other: set both or none")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        return self


def environment_name(setting: str) -> str:
    """Gives the environment variable of a setting."""
    return "MONGODB_URI" if setting == "mongodb_uri" else PREFIX + setting.upper()
