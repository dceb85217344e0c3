"""The command that writes the catalogue into a file: export."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from songclient import SongFilter
from songclient.cli.filters import filter_options
from songclient.cli.output import as_json_line, songs
from songclient.cli.progress import ExportProgress
from songclient.cli.run import Run, pass_run
from songclient.cli.writing import EXPORT_SUFFIXES, WRITERS

SAVE_AFTER = 1 << 20
"""Bytes after which it is noted how far an export is."""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--format", "form", type=click.Choice(list(WRITERS)), help="If the file's name does not tell.")
@filter_options
@pass_run
def export(run: Run, /, *, file: str, form: str | None, selection: SongFilter) -> None:
    """Write songs into a CSV, JSON Lines or M3U file.

    All songs that match, in the order of their creation, with their lyrics; '-' is standard
    output. CSV and JSON Lines hold all of a song: imported elsewhere, they give the same
    catalogue. FILE is there once it is whole; what was cut goes on when the same command is run
    again.
    """
    form = form or _format_of(file)
    begin, write = WRITERS[form]
    count = 0
    with run.connect() as client, _target(file, [run.address, form, as_json_line(selection)]) as target:
        if not target.size:
            target.add(begin, "", 0)
        else:
            count = target.songs
            click.echo(f"songctl: {file}: goes on after song {count:,}, where it was cut", err=True)
        with ExportProgress(count) as progress:
            for page in client.export_songs_pages(filter=selection, resume_token=target.resume_token):
                count += len(page.songs)
                target.add(write(page.songs), page.resume_token, count)
                progress.show(count)
    run.output.note(f"{songs(count)} written")


class _Target:
    """What is written, and where an export that is cut goes on."""

    def __init__(self, file: BinaryIO, note: Path | None, about: list[str]) -> None:
        self._file = file
        self._note = note
        self._about = about
        self._saved = 0
        self.size = 0
        self.songs = 0
        self.resume_token = ""
        if note is not None:
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                kept = json.loads(note.read_bytes())
                if kept["about"] == about and kept["size"] <= os.fstat(file.fileno()).st_size:
                    self.size, self.songs, self.resume_token = kept["size"], kept["songs"], kept["resume_token"]
            file.seek(self.size)
            file.truncate()
            self._saved = self.size

    def add(self, text: str, resume_token: str, songs: int) -> None:
        """Write the text of some songs, after which there are so many, and go on after them."""
        data = text.encode()
        self._file.write(data)
        self.size += len(data)
        self.songs, self.resume_token = songs, resume_token
        if self.size - self._saved > SAVE_AFTER:
            self.save()

    def save(self) -> None:
        """Note how far it is."""
        if self._note is None or not self.resume_token:
            return
        self._file.flush()
        self._saved = self.size
        part = self._note.with_suffix(".new")
        kept = {"about": self._about, "size": self.size, "songs": self.songs, "resume_token": self.resume_token}
        part.write_text(json.dumps(kept))
        part.replace(self._note)


@contextlib.contextmanager
def _target(name: str, about: list[str]) -> Iterator[_Target]:
    """Give where an export goes: a file that gets its name once it is whole, or standard output. Raises OSError."""
    if name == "-":
        yield _Target(sys.stdout.buffer, None, about)
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    part = path.with_name(f".{path.name}.part")
    note = path.with_name(f".{path.name}.part.json")
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        target = _Target(file, note, about)
        try:
            yield target
        except BaseException:
            target.save()
            raise
    part.replace(path)
    note.unlink(missing_ok=True)


def _format_of(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in EXPORT_SUFFIXES:
        known = ", ".join(EXPORT_SUFFIXES)
        raise click.UsageError(f"{name}: is none of {known}: say what it is to be with --format")
    return EXPORT_SUFFIXES[suffix]
