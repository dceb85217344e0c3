"""The command that adds the songs of whole files: import."""

import time
from collections.abc import Sequence
from pathlib import Path

import click

from songclient.cli.columns import read_map
from songclient.cli.exits import Exit
from songclient.cli.file_import import EXISTING, FileImport, Summary
from songclient.cli.formats import FORMATS, format_of, opened, size_of
from songclient.cli.import_state import ImportState
from songclient.cli.progress import ImportProgress
from songclient.cli.reading import Songs
from songclient.cli.rejects import Rejects
from songclient.cli.run import Run, pass_run
from songclient.cli.session_file import sessions_directory


@click.command("import")
@click.argument("names", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@click.option("--format", "form", type=click.Choice(FORMATS), help="If the file's name does not tell.")
@click.option("--map", "maps", metavar="FIELD=COLUMN", multiple=True, help="Which column a field is in. Repeatable.")
@click.option(
    "--existing",
    type=click.Choice(list(EXISTING)),
    default="skip",
    show_default=True,
    help="What becomes of songs that are there: they stay, are replaced, get fields that they have not, or end it.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would become of the rows, and store nothing.")
@click.option("--import-id", metavar="ID", default="", help="Go on with the import of this name; needed for a pipe.")
@click.option(
    "--rejects",
    "rejects_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where rejected rows go  [default: NAME.rejected.csv, .jsonl or .m3u, here]",
)
@pass_run
def import_(
    run: Run,
    /,
    *,
    names: tuple[str, ...],
    form: str | None,
    maps: tuple[str, ...],
    existing: str,
    dry_run: bool,
    import_id: str,
    rejects_path: Path | None,
) -> int:
    """Add the songs of files, or of folders of audio files.

    CSV (RFC 4180) begins with a header, which tells whether ',', ';' or tabs part cells; JSON has
    an array of songs in proto3 JSON, JSON Lines one a line, both with fields as there or as in a
    table; M3U has #EXTINF, or files named 'artist - title'; all are UTF-8. Audio files (mp3, flac,
    ogg, opus, m4a, wav, aiff) have tags; those without a title or an artist are named, and skipped.
    '-' is standard input.

    What was cut goes on when the same command is run again. A row that cannot be read, or breaks a
    rule, stops no other: it is put, with its number and the reason, into a file that can be mended
    and imported again. The first row after the header is row 1; in JSON Lines a row is a line.

    Columns: title, artist or artists (A; B), album, album_artist(s), track_number, disc_number,
    genre(s), style (more genres), year or release_date (YYYY[-MM[-DD]]), duration, duration_seconds
    (3:25 or 205) or duration_ms, isrc, language, label, bpm, explicit, tags, lyrics, popularity or
    rating, catalog_number, external_ids (JSON), external_ids.NAME; and what other programs call
    them, such as 'Track Name'. Genres are parted by ';' or ',', other lists by ';'. An empty cell
    is not known, nor is a '?' as label or id, nor a year or duration of 0.
    """
    if len(names) > 1 and (rejects_path is not None or import_id):
        option = "--rejects takes one FILE" if rejects_path is not None else "--import-id is of one FILE"
        raise click.UsageError(f"{option}: import the files one by one")
    mapped = read_map(maps)
    forms = [form or format_of(name) for name in names]
    summary = Summary(dry_run=dry_run)
    begin = time.perf_counter()
    try:
        with run.connect() as client, ImportProgress([*map(size_of, names)]) as progress:
            for name, each in zip(names, forms, strict=True):
                with opened(name, each, mapped) as songs:
                    ignored = [*songs.ignored]
                    _tell_ignored(name, ignored)
                    options = [run.address, each, existing, *maps]
                    state = _state(name, options, import_id) if not dry_run else ImportState(None, "")
                    path = rejects_path or _rejects_path(name, names, songs)
                    rejects = Rejects(path, songs, state.rejects_size)
                    file_import = FileImport(name, songs, rejects, state, summary, progress)
                    file_import.run(client, existing, dry_run=dry_run)
                    # JSON names its fields as it goes.
                    _tell_ignored(name, songs.ignored[len(ignored) :])
    except BaseException:
        # Also an import that broke off, or was stopped, says how far it came.
        if summary.read:
            summary.print(run.output, time.perf_counter() - begin)
        raise
    summary.print(run.output, time.perf_counter() - begin)
    return Exit.REJECTED if summary.rejected else Exit.OK


def _state(name: str, options: Sequence[str], import_id: str) -> ImportState:
    """Load the state of an import. What comes by a pipe comes once, unless its user gives it a name."""
    if name == "-" and not import_id:
        return ImportState(None, "")
    return ImportState.load(sessions_directory(), name, options, import_id)


def _tell_ignored(name: str, ignored: Sequence[str]) -> None:
    if ignored:
        columns = ", ".join(ignored)
        click.echo(f"songctl: {name}: a song has no field for: {columns}", err=True)


def _rejects_path(name: str, names: Sequence[str], songs: Songs) -> Path:
    path = Path(name).resolve()
    # Of a.json and a.jsonl in one command, both keep their rejected rows.
    alone = [Path(each).resolve().stem for each in names].count(path.stem) == 1
    stem = "stdin" if name == "-" else path.stem if alone else path.name
    return Path(f"{stem}.rejected.{songs.rejects_suffix}")
