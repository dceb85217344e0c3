"""The command that tells of changes."""

import click

from songclient import SongChange, SongFilter, WatchSongsResponse
from songclient.cli.display import time_text
from songclient.cli.filters import filter_options
from songclient.cli.output import Fields
from songclient.cli.run import Run, pass_run


def change_row(told: WatchSongsResponse) -> Fields:
    """Give what is shown of a change."""
    return {
        "time": time_text(told.time),
        "what": SongChange.Name(told.change).removeprefix("SONG_CHANGE_").lower(),
        "id": told.song.id,
        "title": told.song.title,
        "artists": "; ".join(told.song.artists),
    }


@click.command()
@filter_options
@click.option("--resume-token", metavar="TOKEN", default="", help="Go on after this one, which --json shows.")
@pass_run
def watch(run: Run, /, *, selection: SongFilter, resume_token: str) -> None:
    """Tell of songs as they are created, changed and removed.

    Goes on until it is interrupted, also when the server is restarted. With --json each line has the
    token to go on after it, and heartbeats are shown too.
    """
    with run.connect() as client:
        for told in client.watch_songs(filter=selection, resume_token=resume_token):
            if told.change != SongChange.SONG_CHANGE_HEARTBEAT or run.output.as_json:
                run.output.now(told, change_row)
