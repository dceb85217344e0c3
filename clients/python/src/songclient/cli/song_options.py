"""The options that say what a song is: those of `songctl add` and `songctl edit`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import click

from songclient import Song
from songclient.cli.fields import EXTERNAL_ID_PREFIX, setter_for

C = TypeVar("C", bound=Callable[..., Any])


class SongOption(NamedTuple):
    """One option, and the field of Song that it sets."""

    flag: str
    field: str
    column: str
    """The column of a table that is written in the same way."""
    help: str
    multiple: bool = False


OPTIONS = (
    SongOption("--title", "title", "title", "The title."),
    SongOption("--artist", "artists", "artist", "Who performs it.", multiple=True),
    SongOption("--album", "album", "album", "The release that it stands on."),
    SongOption("--album-artist", "album_artists", "album_artist", "Who made the release.", multiple=True),
    SongOption("--track", "track_number", "track_number", "The place on its disc."),
    SongOption("--disc", "disc_number", "disc_number", "Which disc of the release."),
    SongOption("--genre", "genres", "genre", "A genre.", multiple=True),
    SongOption("--release-date", "release_date", "release_date", "YYYY, YYYY-MM or YYYY-MM-DD."),
    SongOption("--duration", "duration", "duration", "3:25, 1:02:03 or seconds."),
    SongOption("--isrc", "isrc", "isrc", "The recording code, such as USRC17607839."),
    SongOption("--language", "language", "language", "The language tag, such as en or pt-BR."),
    SongOption("--label", "label", "label", "Who published it."),
    SongOption("--bpm", "bpm", "bpm", "Beats a minute."),
    SongOption("--explicit", "explicit", "explicit", "Are its words explicit? true or false."),
    SongOption("--tag", "tags", "tags", "A word of the catalogue's own.", multiple=True),
    SongOption("--external-id", "external_ids", "", "An id elsewhere, NAME=ID.", multiple=True),
    SongOption("--lyrics", "lyrics", "lyrics", "The words."),
    SongOption("--popularity", "popularity", "popularity", "How much it is liked, from 0."),
)

FIELDS = tuple(option.field for option in OPTIONS)
"""The fields of a song that a person can set."""


def song_options(command: C) -> C:
    """Give a command the options of a song; it gets their texts by the names of Song's fields."""
    for option in reversed(OPTIONS):
        text = f"{option.help} Can be given again." if option.multiple else option.help
        metavar = "NAME=ID" if option.flag == "--external-id" else "TEXT"
        command = click.option(option.flag, option.field, multiple=option.multiple, metavar=metavar, help=text)(command)
    return command


def set_fields(song: Song, texts: Mapping[str, str | tuple[str, ...] | None]) -> list[str]:
    """Set the fields that options were given for, and give the names of these.

    Fields with several values get those that were given in place of what they had.
    Raises click.BadParameter for a text that cannot be read.
    """
    given = []
    for option in OPTIONS:
        text = texts[option.field]
        if text is None or text == ():
            continue
        given.append(option.field)
        song.ClearField(option.field)  # type: ignore[arg-type]  # a name from the table above
        for each in (text,) if isinstance(text, str) else text:
            _set(song, option, each)
    return given


def _set(song: Song, option: SongOption, text: str) -> None:
    column = option.column
    if not column:
        name, equals, text = text.partition("=")
        if not equals:
            raise click.BadParameter("must be NAME=ID, such as musicbrainz=...", param_hint=option.flag)
        column = EXTERNAL_ID_PREFIX + name
    setter = setter_for(column)
    assert setter is not None
    try:
        setter(song, text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option.flag) from error
