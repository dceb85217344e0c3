"""The commands that change and remove many songs: edit-all, rm-all."""

import click

from songclient import Song, SongFilter, StatusCode, UpdateSongsResponse
from songclient.cli.exits import Exit
from songclient.cli.filters import filter_options
from songclient.cli.output import songs
from songclient.cli.run import Run, confirm, pass_run
from songclient.cli.song_options import FIELDS, OPTIONS, set_fields

MOST = 100_000
"""Songs that one command may change."""

dry_run_option = click.option("--dry-run", is_flag=True, help="Tell how many, and change none.")
max_option = click.option(
    "--max",
    "max_songs",
    type=click.IntRange(1, MOST),
    default=1000,
    show_default=True,
    metavar="N",
    help="Change none if more songs match.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command("edit-all")
@filter_options
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=TEXT",
    help="The new value of a field, named as the options of `songctl edit`. Can be given again.",
)
@click.option("--clear", multiple=True, type=click.Choice(FIELDS), metavar="FIELD", help="Empty this field.")
@dry_run_option
@max_option
@yes_option
@pass_run
def edit_all(
    run: Run,
    /,
    *,
    selection: SongFilter,
    settings: tuple[str, ...],
    clear: tuple[str, ...],
    dry_run: bool,
    max_songs: int,
    yes: bool,
) -> Exit:
    """Change all songs that match, after a question.

    A song must match all filters, of which one must be given; `songctl list` shows which do.
    Fields with several values get those that are given in place of what they had.
    """
    change = Song()
    mask = [*set_fields(change, _texts(settings)), *clear]
    if not mask:
        raise click.UsageError("nothing to change: give --set FIELD=TEXT, or --clear FIELD")
    if twice := {field for field in mask if mask.count(field) > 1}:
        raise click.UsageError(f"both set and cleared: {', '.join(sorted(twice))}")
    with run.connect() as client:
        if dry_run or not yes:
            told = client.update_songs(selection, change, mask, dry_run=True, max_songs=max_songs)
        if not dry_run:
            if not yes:
                confirm(f"Change {told.changed:,} of {songs(told.matched)} that match?", "not changed")
            told = client.update_songs(selection, change, mask, max_songs=max_songs)
    _tell(run, told, dry_run=dry_run)
    return Exit.REJECTED if told.failed else Exit.OK


@click.command("rm-all")
@filter_options
@dry_run_option
@max_option
@yes_option
@pass_run
def rm_all(run: Run, /, *, selection: SongFilter, dry_run: bool, max_songs: int, yes: bool) -> None:
    """Remove all songs that match, after a question.

    A song must match all filters, of which one must be given; `songctl list` shows which do.
    """
    with run.connect() as client:
        if dry_run or not yes:
            told = client.delete_songs(selection, dry_run=True, max_songs=max_songs)
        if not dry_run:
            if not yes:
                confirm(f"Remove {songs(told.matched)}?")
            told = client.delete_songs(selection, max_songs=max_songs)
    counts = {"matched": told.matched, "deleted": told.deleted}
    run.output.document(counts, f"{songs(told.deleted)} {'would be ' if dry_run else ''}removed")


def _texts(settings: tuple[str, ...]) -> dict[str, str | tuple[str, ...] | None]:
    """Read FIELD=TEXT into what `set_fields` takes."""
    options = {option.flag.removeprefix("--"): option for option in OPTIONS}
    texts: dict[str, str | tuple[str, ...] | None] = {option.field: None for option in OPTIONS}
    for setting in settings:
        name, equals, text = setting.partition("=")
        option = options.get(name)
        if option is None or not equals:
            raise click.BadParameter(
                f"{setting!r} is not FIELD=TEXT with one of {', '.join(options)}", param_hint="--set"
            )
        before = texts[option.field]
        texts[option.field] = (*(before or ()), text) if option.multiple else text
    return texts


def _tell(run: Run, told: UpdateSongsResponse, *, dry_run: bool) -> None:
    counts = {"matched": told.matched, "changed": told.changed, "failed": told.failed}
    would = "would be " if dry_run else ""
    run.output.document(counts, f"{told.changed:,} of {songs(told.matched)} {would}changed")
    for failure in told.failures:
        click.echo(f"{failure.song_id}: {StatusCode.Name(failure.status_code)}: {failure.message}", err=True)
    if told.failed > len(told.failures):
        click.echo(f"and {told.failed - len(told.failures):,} more", err=True)
