"""The commands for songs that are there more than once: duplicates, merge."""

from collections.abc import Iterator
from datetime import timedelta

import click

from songclient import DuplicateGroup, DuplicateKind, Song, SongFilter
from songclient.cli.display import song_details, song_row
from songclient.cli.filters import filter_options
from songclient.cli.output import Fields
from songclient.cli.run import Run, confirm, pass_run

KINDS = {"isrc": DuplicateKind.DUPLICATE_KIND_ISRC, "title": DuplicateKind.DUPLICATE_KIND_TITLE_AND_ARTISTS}


@click.command()
@filter_options
@click.option("--by", type=click.Choice(list(KINDS)), multiple=True, help="What they have in common; all by default.")
@click.option(
    "--difference",
    type=click.FloatRange(0, 60),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="By title: how much durations may differ.",
)
@pass_run
def duplicates(run: Run, /, *, selection: SongFilter, by: tuple[str, ...], difference: float) -> None:
    """Find songs that may be there more than once.

    By the recording code, or by title and artists with a duration that is close. Songs with the same
    number may be the same; the earliest created is first. `songctl merge` makes them one.
    """
    with run.connect() as client:
        groups = client.find_duplicates(
            filter=selection,
            kinds=[KINDS[name] for name in by],
            duration_difference=timedelta(seconds=difference),
        )
        if run.output.as_json:
            run.output.many(groups, _no_row)
            return
        numbered = _Numbered(groups)
        count = run.output.many(numbered.songs(), numbered.row)
    if not count:
        run.output.note("no song is there more than once")


def _no_row(_: DuplicateGroup) -> Fields:
    """A group is shown as JSON only."""
    return {}


class _Numbered:
    """The songs of groups, each with the number of its group."""

    def __init__(self, groups: Iterator[DuplicateGroup]) -> None:
        self._groups = groups
        self._number = 0

    def songs(self) -> Iterator[Song]:
        """Go over the songs of all groups."""
        for self._number, group in enumerate(self._groups, start=1):  # noqa: B020
            yield from group.songs

    def row(self, song: Song) -> Fields:
        """Give what is shown of the song that came last."""
        return {"no.": str(self._number), **song_row(song)}


@click.command()
@click.argument("song_id", metavar="ID")
@click.argument("merged_ids", metavar="MERGED_ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_run
def merge(run: Run, /, *, song_id: str, merged_ids: tuple[str, ...], yes: bool) -> None:
    """Make songs part of the first one, after a question.

    It gets the fields that it has not, and all genres, tags and ids elsewhere. The others are
    removed; their ids find it from then on.
    """
    with run.connect() as client:
        etag = ""
        if not yes:
            song = client.get_song(song_id)
            merged = len(merged_ids)
            confirm(f"Make {merged} {'song' if merged == 1 else 'songs'} part of {song.title!r}?", "not merged")
            # Only what was asked about is changed.
            etag = song.etag
        run.output.one(client.merge_songs(song_id, merged_ids, etag=etag), song_details)
