"""Shows on a terminal how far an import or an export is."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

SHOW_EVERY = 100
"""How many rows pass between two looks at the bar."""


class ImportProgress:
    """A bar on standard error: the part of the files whose rows the server has answered.

    Without the size, as of a pipe, it shows only rows and rate; without a terminal nothing.
    """

    def __init__(self, sizes: Sequence[int | None]) -> None:
        """Show the progress through files of so many bytes, which are read one after the other."""
        self._sizes = iter(sizes)
        total = None if None in sizes else sum(size or 0 for size in sizes)
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("importing", total=total, rows=0, rate=0.0)
        self._begin = time.perf_counter()
        self._rows = 0
        self._before = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def end_row(self, position: int) -> None:
        """Count a row that is done, up to a position in bytes in its file."""
        self._rows += 1
        if self._rows % SHOW_EVERY == 0:
            rate = self._rows / (time.perf_counter() - self._begin)
            completed = self._before + position
            self._bar.update(self._task, completed=completed, rows=self._rows, rate=rate)

    def end_file(self) -> None:
        """Go on with the next file."""
        self._before += next(self._sizes) or 0


class ExportProgress:
    """A line on standard error: how many songs are written. Nobody knows how many there will be."""

    def __init__(self, songs: int) -> None:
        """Show the progress of an export that has so many songs already."""
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            TextColumn("{task.fields[songs]:,} songs, {task.fields[rate]:,.0f}/s"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._before = songs
        self._task = self._bar.add_task("exporting", total=None, songs=songs, rate=0.0)
        self._begin = time.perf_counter()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, songs: int) -> None:
        """Show that so many songs are written."""
        rate = (songs - self._before) / (time.perf_counter() - self._begin)
        self._bar.update(self._task, songs=songs, rate=rate)
