"""The options that say which songs: those of `songctl list`, and of every command for many songs."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from songclient import SongFilter

R = TypeVar("R")

_OPTIONS = (
    click.option("--artist", default="", help="Of this artist."),
    click.option("--album", default="", help="On this album."),
    click.option("--genre", default="", help="Of this genre."),
    click.option("--from", "year_from", type=int, metavar="YEAR", default=0, help="Not before."),
    click.option("--to", "year_to", type=int, metavar="YEAR", default=0, help="Not after."),
    click.option("--isrc", default="", help="With this recording code."),
    click.option("--created-by", metavar="USER_ID", default="", help="Created by this user."),
)
_NAMES = tuple(field.name for field in SongFilter.DESCRIPTOR.fields)


def filter_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of a filter; it gets them as one, `selection`. A song must match all of them."""

    @functools.wraps(command)
    def with_selection(*args: Any, **kwargs: Any) -> R:
        selection = SongFilter(**{name: kwargs.pop(name) for name in _NAMES})
        return command(*args, selection=selection, **kwargs)

    for option in reversed(_OPTIONS):
        with_selection = option(with_selection)
    return with_selection
