"""Every setting of the server: its type, default, unit, and where it is read from.

A setting is given by flag (`--max-calls 300`), by environment variable (`SONGSERVER_MAX_CALLS`), or in a TOML file
named by `--config` or `SONGSERVER_CONFIG`; the first of these counts. `MONGODB_URI` has no prefix.
"""

import os
import ssl
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from songserver.storage.embedded import default_directory

PREFIX = "SONGSERVER_"
CONFIG_VARIABLE = "SONGSERVER_CONFIG"
ADMIN_PASSWORD_VARIABLE = "SONGSERVER_ADMIN_PASSWORD"  # noqa: S105 - a name, not a password
POPULATE_PASSWORD_VARIABLE = "SONGSERVER_POPULATE_PASSWORD"  # noqa: S105
TEST_MONGODB_VARIABLE = "SONGSERVER_TEST_MONGODB_URI"
LIKE = 0.85
"""How alike a variable is to one of ours that it is taken for a slip of the pen."""
NO_SETTINGS = {
    "SONGSERVER_MONGODB_URI",
    CONFIG_VARIABLE,
    ADMIN_PASSWORD_VARIABLE,
    POPULATE_PASSWORD_VARIABLE,
    TEST_MONGODB_VARIABLE,
}
"""Variables with our prefix that are no settings of the server, or another name of one."""

File = Annotated[Path, AfterValidator(Path.expanduser)]
Address = Annotated[str, StringConstraints(pattern=r"^(.+:\d{1,5}|unix:.+)$")]


class Settings(BaseSettings):
    """The settings of one server. Checked when made; pydantic's `ValidationError` says what is wrong with which."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    listen: Address = Field(
        default="127.0.0.1:50051", description="Address to serve on, host:port; port 0 takes a free one."
    )
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
    argon2_threads: int = Field(
        default=1, ge=1, le=64, description="Passwords that are hashed at the same time, each on a core of its own."
    )
    max_calls: int = Field(
        default=1000, ge=1, description="Calls in flight at the most; further ones answer OVERLOADED."
    )
    max_message_bytes: int = Field(
        default=4_194_304, ge=1024, description="Size of a request message at the most, in bytes."
    )
    shutdown_grace: float = Field(
        default=10.0, ge=0, description="Seconds that calls in flight have to finish at a stop."
    )
    reflection: bool = Field(default=True, description="Whether clients may ask for the contract (grpcurl does).")
    channelz: bool = Field(default=False, description="Whether clients may ask for the state of connections.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="How log lines look; auto is console on a terminal and json elsewhere."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key need each other: set both or none")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        for file in (self.tls_certificate, self.tls_key, self.tls_client_ca):
            if file and not os.access(file, os.R_OK):
                raise ValueError(f"cannot read {file}: name a PEM file that the server may read")
        if self.tls_certificate:
            _check_pem(self.tls_certificate, self.tls_key, self.tls_client_ca)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before the environment before the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _check_pem(certificate: Path, key: Path | None, authorities: Path | None) -> None:
    """Looks into the files: grpc would only say that it cannot bind, or refuse every client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ValueError(f"{certificate} and {key} are no PEM certificate and its key, unencrypted: {error}") from error
    try:
        context.load_verify_locations(authorities or certificate)
    except OSError as error:
        raise ValueError(f"{authorities} has no PEM certificates: {error}") from error


class SettingsError(ValueError):
    """Settings that cannot be used; the message names each of them, and what would be right."""


def load_settings(flags: Mapping[str, Any] = MappingProxyType({}), file: Path | None = None) -> Settings:
    """Reads the settings from flags, environment and file.

    Raises:
        SettingsError: If one is wrong or unknown, or the file cannot be read.
    """
    if file:
        _check_readable(file)
    known = {environment_name(name) for name in Settings.model_fields} | NO_SETTINGS
    for name in sorted(os.environ.keys() - known):
        # Others are not ours to refuse: Kubernetes sets SONGSERVER_PORT and more for a service of this name.
        if name.startswith(PREFIX) and (meant := get_close_matches(name, known, 1, LIKE)):
            raise SettingsError(f"there is no setting {name}; do you mean {meant[0]}?")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromFile(**flags)
    except ValidationError as error:
        raise SettingsError("\n".join(map(_describe, error.errors()))) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is no TOML: {error}") from error


def _check_readable(file: Path) -> None:
    """Tries the file: pydantic-settings passes over one that is not there."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise SettingsError(f"cannot read the settings file: {error}") from error


def _describe(error: ErrorDetails) -> str:
    """What is wrong, with what value unless it is a secret, and what would be right."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    name = ".".join(map(str, error["loc"]))
    field = Settings.model_fields.get(name)
    if field is None:
        return f"{name}: there is no such setting; `songserver serve --help` has them all"
    value = "" if SecretStr in get_args(field.annotation) else f", not {error['input']!r}"
    return f"{name}: {error['msg']}{value} ({field.description})"


def environment_name(setting: str) -> str:
    """Gives the environment variable of a setting."""
    return "MONGODB_URI" if setting == "mongodb_uri" else PREFIX + setting.upper()
