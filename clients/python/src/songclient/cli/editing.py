"""The commands that write one song: add and edit."""

from typing import Any

import click
from google.protobuf import json_format

from songclient import Song
from songclient.cli.display import song_details
from songclient.cli.files import file_argument, open_file
from songclient.cli.json_fields import ERRORS as JSON_ERRORS
from songclient.cli.reading import one_line
from songclient.cli.run import Run, pass_run
from songclient.cli.song_options import FIELDS, set_fields, song_options


@click.command()
@song_options
@click.option(
    "--file",
    type=file_argument,
    help="A song in proto3 JSON, '-' for standard input; options given beside it go before it.",
)
@click.option("--request-id", help="Makes it safe to run the same command again.")
@pass_run
def add(run: Run, /, *, file: str | None, request_id: str | None, **texts: Any) -> None:
    """Add a song: a title and an artist at the least."""
    song = Song() if file is None else _read_song(file)
    if not set_fields(song, texts) and file is None:
        raise click.UsageError("nothing to add: give --title and --artist, or --file")
    with run.connect() as client:
        run.output.one(client.create_song(song, request_id=request_id), song_details)


@click.command()
@click.argument("song_id", metavar="ID")
@song_options
@click.option("--clear", multiple=True, type=click.Choice(FIELDS), metavar="FIELD", help="Empty this field.")
@pass_run
def edit(run: Run, /, *, song_id: str, clear: tuple[str, ...], **texts: Any) -> None:
    """Change a song: the fields that are given, no others."""
    change = Song(id=song_id)
    mask = [*set_fields(change, texts), *clear]
    if not mask:
        raise click.UsageError("nothing to change: give an option such as --title, or --clear FIELD")
    if twice := {field for field in mask if mask.count(field) > 1}:
        raise click.UsageError(f"both set and cleared: {', '.join(sorted(twice))}")
    with run.connect() as client:
        change.etag = client.get_song(song_id).etag
        run.output.one(client.update_song(change, mask), song_details)


def _read_song(name: str) -> Song:
    try:
        with open_file(name) as file:
            return json_format.Parse(file.read(), Song())
    except JSON_ERRORS as error:
        raise click.ClickException(f"{name}: is not a song in proto3 JSON: {one_line(error)}") from error
