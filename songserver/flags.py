"""A command-line flag for each setting, made from its type, default and description in `config.py`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from songserver.config import Settings, environment_name
from songserver.sources import CONFIG_VARIABLE, SettingsError, load_settings

T = TypeVar("T")


def settings_flags(command: Callable[..., T]) -> Callable[..., T]:
    """Gives a command a flag for each setting; it gets them all, checked, as its argument `settings`.

    The object of its click context reads them anew: the flags are as they were, environment and file may have changed.
    """

    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar=CONFIG_VARIABLE,
        show_envvar=True,
        help="TOML file of settings.",
    )
    @functools.wraps(command)
    def with_settings(config: Path | None, **values: Any) -> T:
        flags = {name: value for name in Settings.model_fields if (value := values.pop(name)) is not None}
        read = functools.partial(load_settings, flags, config)
        click.get_current_context().obj = read
        try:
            settings = read()
        except SettingsError as error:
            raise click.ClickException(str(error)) from error
        return command(settings=settings, **values)

    decorated: Callable[..., T] = with_settings
    for name, field in reversed(Settings.model_fields.items()):
        decorated = _option(name, field)(decorated)
    return decorated


def _option(name: str, field: FieldInfo) -> Callable[[Callable[..., T]], Callable[..., T]]:
    flag = flag_name(name)
    if field.annotation is bool:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    default = describe_default(field)
    remark = "; ".join(filter(None, [environment_name(name), default and f"default {default}"]))
    return click.option(flag, name, type=_type(field.annotation), default=None, help=f"{field.description} [{remark}]")


def flag_name(setting: str) -> str:
    """Gives the command-line flag of a setting."""
    return "--" + setting.replace("_", "-")


def describe_default(field: FieldInfo) -> str:
    """Gives the default of a setting for a person to read; empty if it has none."""
    default = field.get_default(call_default_factory=True)
    if default is None:
        return ""
    if isinstance(default, Path):
        return str(default).replace(str(Path.home()), "~", 1)
    return str(default)


def _type(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    if annotation in (bool, int, float):
        return annotation
    return str
