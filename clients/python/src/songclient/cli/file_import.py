"""The import of one file: its rows are settled in order, some here, others by the server."""

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import click

from songclient import ExistingSongs, ImportAction, ImportResult, Song, SongClient, StatusCode
from songclient.cli.exits import explain_violations
from songclient.cli.import_state import ImportState
from songclient.cli.output import Output
from songclient.cli.progress import ImportProgress
from songclient.cli.reading import Row, Songs
from songclient.cli.rejects import Rejects

EXISTING = {
    "skip": ExistingSongs.EXISTING_SONGS_SKIP,
    "replace": ExistingSongs.EXISTING_SONGS_REPLACE,
    "merge": ExistingSongs.EXISTING_SONGS_MERGE,
    "fail": ExistingSongs.EXISTING_SONGS_FAIL,
}
COUNTED = {
    ImportAction.IMPORT_ACTION_REPLACED: "replaced",
    ImportAction.IMPORT_ACTION_MERGED: "merged",
    ImportAction.IMPORT_ACTION_UNCHANGED: "unchanged",
}
"""What becomes of songs that are there; others are created."""
ALWAYS_TOLD = ("created", "already_there", "rejected")


@dataclass
class Summary:
    """What became of the rows of an import."""

    read: int = 0
    created: int = 0
    replaced: int = 0
    merged: int = 0
    unchanged: int = 0
    already_there: int = 0
    rejected: int = 0
    skipped: int = 0
    """Audio files without usable tags."""
    settled_before: int = 0
    """Rows of which the server only knows that they are done: another run of the import has had their results."""
    earlier: int = 0
    """Rows that were settled before this run went on."""
    seconds: float = 0.0
    rows_per_second: float = 0.0
    rejects: list[str] = field(default_factory=list)
    """The files that the rejected rows are in."""
    dry_run: bool = False
    """Whether nothing was stored."""

    def count(self, name: str) -> None:
        """Count a row."""
        self.read += 1
        setattr(self, name, getattr(self, name) + 1)

    def print(self, output: Output, seconds: float) -> None:
        """Tell what became of the rows in so many seconds."""
        self.seconds = round(seconds, 3)
        self.rows_per_second = round((self.read - self.earlier) / seconds, 1)
        told = [
            f"{count:,} {name.replace('_', ' ')}"
            for name, count in asdict(self).items()
            if name in COUNTS and (count or name in ALWAYS_TOLD)
        ]
        line = (
            f"{self.read:,} rows read: {', '.join(told)}, in {self.seconds:.1f} s ({self.rows_per_second:,.0f} rows/s)"
        )
        lines = [line, *(f"rejected rows: {name}" for name in self.rejects)]
        if self.dry_run:
            lines.append("nothing was stored: this was a dry run")
        output.document(asdict(self), "\n".join(lines))


COUNTS = (*ALWAYS_TOLD, *COUNTED.values(), "skipped", "settled_before")


class FileImport:
    """The import of one file, from its beginning or from where it was cut."""

    def __init__(
        self, name: str, rows: Songs, rejects: Rejects, state: ImportState, summary: Summary, progress: ImportProgress
    ) -> None:
        """Import the rows of a file with a name."""
        self._name = name
        self._rows = rows
        self._rejects = rejects
        self._pending: deque[tuple[Row, int]] = deque()
        """Rows that are not settled, with their places among those that go to the server."""
        self._state = state
        self._summary = summary
        self._progress = progress
        self._of_file = Summary(**state.summary)
        """What became of this file's rows."""

    def run(self, client: SongClient, existing: str, *, dry_run: bool) -> None:
        """Send what can be read, and settle every row. Raises SongClientError."""
        if self._state.rows:
            for name in COUNTS:
                setattr(self._summary, name, getattr(self._summary, name) + getattr(self._of_file, name))
            self._summary.read += self._of_file.read
            self._summary.earlier += self._of_file.read
            self._summary.rejects += self._of_file.rejects
            click.echo(f"songctl: {self._name}: goes on after row {self._state.rows:,}, where it was cut", err=True)
        try:
            with contextlib.closing(self._rejects):
                results = client.import_songs(
                    self._readable(), import_id=self._state.import_id, existing=EXISTING[existing], dry_run=dry_run
                )
                known = self._state.items
                for result in results:
                    if result.index >= known:
                        self._settle_until(result.index)
                        self._settle(self._pending.popleft()[0], result)
                        self._settle_unreadable()
                        if self._state.is_due:
                            self._save()
                self._settle_until(None)
        except BaseException:
            self._save()
            raise
        self._state.remove()
        self._progress.end_file()

    def _readable(self) -> Iterator[Song]:
        place = 0
        done = self._state.rows
        for count, row in enumerate(self._rows, start=1):
            if row.reason:
                if count > done:
                    self._pending.append((row, place))
                    self._settle_unreadable()
                continue
            if count > done:
                self._pending.append((row, place))
            place += 1
            yield row.song

    def _settle_unreadable(self) -> None:
        """Settle those rows that wait for no row before them and for no answer."""
        while self._pending and (row := self._pending[0][0]).reason:
            self._pending.popleft()
            if row.skipped:
                click.echo(f"songctl: {row.source}: {row.reason}: skipped", err=True)
                self._end(row, "skipped")
            else:
                self._reject(row, row.reason)

    def _settle_until(self, index: int | None) -> None:
        """Settle rows whose results have not come: a run before has had them."""
        while self._pending and (index is None or self._pending[0][1] < index):
            row, _ = self._pending.popleft()
            self._end(row, "settled_before")
            self._state.items += 1
            self._settle_unreadable()

    def _settle(self, row: Row, result: ImportResult) -> None:
        self._state.items += 1
        match result.status_code:
            case StatusCode.SUCCESS:
                self._end(row, COUNTED.get(result.action, "created"))
            case StatusCode.SONG_EXISTS:
                self._end(row, "already_there")
            case _:
                self._reject(row, _reason(result))

    def _reject(self, row: Row, reason: str) -> None:
        if self._rejects.add(row, reason):
            self._summary.rejects.append(str(self._rejects.path))
            self._of_file.rejects.append(str(self._rejects.path))
        self._end(row, "rejected")

    def _end(self, row: Row, name: str) -> None:
        self._summary.count(name)
        self._of_file.count(name)
        self._state.rows += 1
        self._progress.end_row(row.position)

    def _save(self) -> None:
        self._state.rejects_size = self._rejects.size
        self._state.summary = asdict(self._of_file)
        self._state.save()


def _reason(result: ImportResult) -> str:
    broken = explain_violations((each.field, each.description) for each in result.field_violations)
    return "; ".join(broken) or result.message or StatusCode.Name(result.status_code)
