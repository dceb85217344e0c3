"""The formats of files of songs, and what opens one."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from songclient.cli.files import open_file
from songclient.cli.reading import Songs, UnreadableFileError
from songclient.cli.reading_csv import CsvSongs
from songclient.cli.reading_json import JsonLinesSongs, JsonSongs
from songclient.cli.reading_m3u import M3uSongs
from songclient.cli.reading_tags import SUFFIXES as AUDIO
from songclient.cli.reading_tags import TaggedSongs

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".m3u": "m3u",
    ".m3u8": "m3u",
    **dict.fromkeys(sorted(AUDIO), "tags"),
}
FORMATS = sorted(set(SUFFIXES.values()))


def format_of(name: str) -> str:
    """Tell the format of a file by its name; a folder is one of audio files. Raises click.UsageError."""
    if Path(name).is_dir():
        return "tags"
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise click.UsageError(f"{name}: is none of {known}: say what it is with --format")
    return SUFFIXES[suffix]


def size_of(name: str) -> int | None:
    """Give the size of what is to be read in bytes, or None for what has none, such as a pipe."""
    path = Path(name)
    if path.is_dir():
        return TaggedSongs(path).size
    return path.stat().st_size if path.is_file() else None


@contextlib.contextmanager
def opened(name: str, form: str, mapped: Mapping[str, str]) -> Iterator[Songs]:
    """Open a file of songs. Raises OSError, and click.ClickException for one that cannot be read at all."""
    with contextlib.ExitStack() as stack:
        try:
            match form:
                case "tags":
                    yield TaggedSongs(Path(name))
                    return
                case "m3u":
                    songs: Songs = M3uSongs(stack.enter_context(open_file(name)))
                case "csv":
                    songs = CsvSongs(stack.enter_context(open_file(name)), mapped)
                case "json":
                    songs = JsonSongs(stack.enter_context(open_file(name)), mapped)
                case _:
                    songs = JsonLinesSongs(stack.enter_context(open_file(name)), mapped)
        except UnreadableFileError as error:
            raise click.ClickException(f"{name}: {error}") from error
        yield songs
