"""Where settings are read from.

A setting is given by flag (`--max-calls 300`), by environment variable (`SONGSERVER_MAX_CALLS`), or in a TOML file
named by `--config` or `SONGSERVER_CONFIG`; the first of these counts. `MONGODB_URI` has no prefix.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from songserver.certificates import CertificatesError, read_certificates
from songserver.config import PREFIX, Settings, environment_name
from songserver.foreseen import Foreseen

CONFIG_VARIABLE = "SONGSERVER_CONFIG"
ADMIN_PASSWORD_VARIABLE = "SONGSERVER_ADMIN_PASSWORD"  # noqa: S105 - a name, not a password
POPULATE_PASSWORD_VARIABLE = "SONGSERVER_POPULATE_PASSWORD"  # noqa: S105
TEST_MONGODB_VARIABLE = "SONGSERVER_TEST_MONGODB_URI"
TEST_ENGINE_VARIABLE = "SONGSERVER_TEST_ENGINE"
LIKE = 0.85
"""How alike a variable is to one of ours that it is taken for a slip of the pen."""
NO_SETTINGS = {
    "SONGSERVER_MONGODB_URI",
    CONFIG_VARIABLE,
    ADMIN_PASSWORD_VARIABLE,
    POPULATE_PASSWORD_VARIABLE,
    TEST_MONGODB_VARIABLE,
    TEST_ENGINE_VARIABLE,
}
"""Variables with our prefix that are no settings of the server, or another name of one."""


class SettingsError(Foreseen):
    """Settings that cannot be used; the message names each of them, and what would be right."""


class Sources(BaseSettings):
    """Flags before the environment before the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Gives the sources, the one that counts first."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


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

    class Sourced(Settings, Sources):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        settings = Sourced(**flags)
        read_certificates(settings)
    except ValidationError as error:
        raise SettingsError("\n".join(map(_describe, error.errors()))) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is no TOML: {error}") from error
    except CertificatesError as error:
        raise SettingsError(str(error)) from error
    return settings


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
