"""The command that adds the songs of whole files: import."""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import click

from songclient import ImportResult, Song, SongClient, StatusCode
from songclient.cli.exits import Exit, explain_violations
from songclient.cli.files import file_argument, open_file
from songclient.cli.output import Output
from songclient.cli.progress import ImportProgress
from songclient.cli.reading import (
    FORMATS,
    CsvSongs,
    JsonLinesSongs,
    Row,
    Songs,
    UnreadableFileError,
)
from songclient.cli.rejects import Rejects
from songclient.cli.run import Run, pass_run

SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass
class Summary:
    """What became of the rows of an import."""

    read: int = 0
    created: int = 0
    already_there: int = 0
    rejected: int = 0
    seconds: float = 0.0
    rows_per_second: float = 0.0
    rejects: list[str] = field(default_factory=list)
    """The files that the rejected rows are in."""

    def print(self, output: Output, seconds: float) -> None:
        """Tell what became of the rows in so many seconds."""
        self.seconds = round(seconds, 3)
        self.rows_per_second = round(self.read / seconds, 1)
        line = (
            f"{self.read:,} rows read: {self.created:,} created, {self.already_there:,} already "
            f"there, {self.rejected:,} rejected, in {self.seconds:.1f} s "
            f"({self.rows_per_second:,.0f} rows/s)"
        )
        text = "\n".join([line, *(f"rejected rows: {name}" for name in self.rejects)])
        output.document(asdict(self), text)


@click.command("import")
@click.argument("names", metavar="FILE...", nargs=-1, required=True, type=file_argument)
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(FORMATS)),
    help="If the file's name does not tell.",
)
@click.option(
    "--rejects",
    "rejects_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where rejected rows go  [default: NAME.rejected.csv or .jsonl, here]",
)
@pass_run
def import_(run: Run, /, *, names: tuple[str, ...], format_: str | None, rejects_path: Path | None) -> int:
    """Add the songs of CSV and JSON Lines files.

    A CSV (RFC 4180) begins with a header; JSON Lines have a song in proto3 JSON a line; both are
    UTF-8. '-' is standard input.

    A song that is there already stays as it is, so the same file can be imported again. A row
    that cannot be read, or breaks a rule, stops no other: it is put, with its number and the
    reason, into a file that can be mended and imported again. The first row after the header is
    row 1; in JSON Lines a row is a line.

    Columns: title, artist or artists (A; B), album, album_artist(s), track_number, disc_number,
    genre(s), style (more genres), year or release_date (YYYY[-MM[-DD]]), duration or
    duration_seconds (3:25 or 205), isrc, language, label, bpm, explicit, tags, lyrics, popularity
    or rating, catalog_number, external_ids.NAME. Genres are parted by ';' or ',', other lists by
    ';'. An empty cell is not known, nor is a '?' as label or id, nor a year or duration of 0.
    """
    if rejects_path is not None and len(names) > 1:
        raise click.UsageError("--rejects takes one FILE: import the files one by one")
    formats = [format_ or _format_of(name) for name in names]
    summary = Summary()
    begin = time.perf_counter()
    try:
        with run.connect() as client, ImportProgress([*map(_size, names)]) as progress:
            for name, suffix in zip(names, formats, strict=True):
                with open_file(name) as file:
                    songs = _read(name, file, FORMATS[suffix])
                    rejects = Rejects(rejects_path or _rejects_path(name, suffix), songs)
                    _FileImport(songs, rejects, summary, progress).run(client)
    except BaseException:
        # Also an import that broke off, or was stopped, says how far it came.
        if summary.read:
            summary.print(run.output, time.perf_counter() - begin)
        raise
    summary.print(run.output, time.perf_counter() - begin)
    return Exit.REJECTED if summary.rejected else Exit.OK


class _FileImport:
    """The import of one file. Its rows are settled in order, some here, others by the server."""

    def __init__(self, rows: Songs, rejects: Rejects, summary: Summary, progress: ImportProgress) -> None:
        self._rows = rows
        self._rejects = rejects
        self._pending: deque[Row] = deque()
        self._summary = summary
        self._progress = progress

    def run(self, client: SongClient) -> None:
        """Send what can be read, and settle every row. Raises SongClientError."""
        with contextlib.closing(self._rejects):
            for result in client.import_songs(self._readable()):
                self._settle(self._pending.popleft(), result)
                self._settle_unreadable()
        self._progress.end_file()

    def _readable(self) -> Iterator[Song]:
        for row in self._rows:
            self._pending.append(row)
            if row.reason:
                self._settle_unreadable()
            else:
                yield row.song

    def _settle_unreadable(self) -> None:
        """Settle those rows that wait for no row before them and for no answer."""
        while self._pending and self._pending[0].reason:
            row = self._pending.popleft()
            self._reject(row, row.reason)
            self._end(row)

    def _settle(self, row: Row, result: ImportResult) -> None:
        match result.status_code:
            case StatusCode.SUCCESS:
                self._summary.created += 1
            case StatusCode.SONG_EXISTS:
                self._summary.already_there += 1
            case _:
                self._reject(row, _reason(result))
        self._end(row)

    def _reject(self, row: Row, reason: str) -> None:
        if self._rejects.add(row, reason):
            self._summary.rejects.append(str(self._rejects.path))
        self._summary.rejected += 1

    def _end(self, row: Row) -> None:
        self._summary.read += 1
        self._progress.end_row(row.position)


def _reason(result: ImportResult) -> str:
    broken = explain_violations((each.field, each.description) for each in result.field_violations)
    return "; ".join(broken) or result.message or StatusCode.Name(result.status_code)


def _read(name: str, file: BinaryIO, read: type[CsvSongs] | type[JsonLinesSongs]) -> Songs:
    try:
        songs = read(file)
    except UnreadableFileError as error:
        raise click.ClickException(f"{name}: {error}") from error
    if songs.ignored:
        columns = ", ".join(songs.ignored)
        click.echo(f"songctl: {name}: a song has no field for: {columns}", err=True)
    return songs


def _format_of(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise click.UsageError(f"{name}: is none of {known}: say what it is with --format")
    return SUFFIXES[suffix]


def _rejects_path(name: str, suffix: str) -> Path:
    stem = "stdin" if name == "-" else Path(name).stem
    return Path(f"{stem}.rejected.{suffix}")


def _size(name: str) -> int | None:
    """Give the size of a file in bytes, or None for what is none, such as a pipe."""
    return Path(name).stat().st_size if Path(name).is_file() else None
