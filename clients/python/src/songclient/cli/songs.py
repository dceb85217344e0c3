"""The commands that read the catalogue, and remove from it: show, list, rm."""

import itertools

import click

from songclient import SongFilter, SongOrder
from songclient.cli.display import song_details, song_row
from songclient.cli.filters import filter_options
from songclient.cli.run import Run, confirm, pass_run

ORDERS = {
    "title": SongOrder.SONG_ORDER_TITLE,
    "artist": SongOrder.SONG_ORDER_ARTIST,
    "date": SongOrder.SONG_ORDER_RELEASE_DATE,
    "created": SongOrder.SONG_ORDER_CREATE_TIME,
}


@click.command()
@click.argument("song_id", metavar="ID")
@pass_run
def show(run: Run, /, *, song_id: str) -> None:
    """Show all of a song, with its lyrics."""
    with run.connect() as client:
        run.output.one(client.get_song(song_id), song_details)


@click.command("list")
@filter_options
@click.option(
    "--order",
    type=click.Choice(list(ORDERS)),
    default="created",
    show_default=True,
    help="What comes first.",
)
@click.option("--desc", is_flag=True, help="The last comes first.")
@click.option("--page", type=int, default=1, show_default=True, metavar="N", help="Which page, from 1.")
@click.option(
    "--page-size",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    metavar="N",
    help="How many songs a page has.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N, in place of a page.")
@click.option("--all", "everything", is_flag=True, help="All of them, in place of a page.")
@pass_run
def list_(
    run: Run,
    /,
    *,
    order: str,
    desc: bool,
    page: int,
    page_size: int,
    limit: int | None,
    everything: bool,
    selection: SongFilter,
) -> None:
    """List songs, filtered and ordered.

    A song must match all filters. Shows a page, unless --limit or --all is given.
    """
    if sum((page != 1, limit is not None, everything)) > 1:
        raise click.UsageError("--page, --limit and --all exclude each other")
    with run.connect() as client:
        if everything or limit is not None:
            size = 1000 if limit is None else min(limit, 1000)
            songs = client.list_songs(filter=selection, order_by=ORDERS[order], descending=desc, page_size=size)
            run.output.many(itertools.islice(songs, limit), song_row)
            return
        response = client.list_songs_page(
            filter=selection,
            order_by=ORDERS[order],
            descending=desc,
            page_size=page_size,
            page_number=page,
        )
    count = run.output.many(response.songs, song_row)
    about = "about " if response.total_size_estimated else ""
    more = f"; more with --page {page + 1}" if response.next_page_token else ""
    run.output.note(f"{count} of {about}{response.total_size:,} songs{more}")


@click.command()
@click.argument("song_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_run
def rm(run: Run, /, *, song_ids: tuple[str, ...], yes: bool) -> None:
    """Remove songs, each after a question."""
    with run.connect() as client:
        for song_id in song_ids:
            etag = ""
            if not yes:
                song = client.get_song(song_id)
                confirm(f"Remove {song.title!r} by {'; '.join(song.artists)}?")
                # Only what was asked about is removed.
                etag = song.etag
            client.delete_song(song_id, etag=etag)
    run.output.note("removed")
