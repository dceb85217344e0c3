"""The commands that find and count without going through all songs: search, suggest, count."""

import itertools

import click

from songclient import SongFacet, SongFilter, Suggestion, SuggestionKind
from songclient.cli.display import song_row
from songclient.cli.filters import filter_options
from songclient.cli.output import Fields
from songclient.cli.run import Run, pass_run

FACETS = {
    "genre": SongFacet.SONG_FACET_GENRE,
    "artist": SongFacet.SONG_FACET_ARTIST,
    "decade": SongFacet.SONG_FACET_DECADE,
}
PAGE = 100


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many.")
@filter_options
@pass_run
def search(run: Run, /, *, words: tuple[str, ...], limit: int, selection: SongFilter) -> None:
    """Find songs by the words of title, artists, album.

    Genres and ISRC count too. Every word must be there or begin a word that is; case and accents do
    not matter, and where little is found, a wrong letter does not either. The best matches come
    first. A song must match all filters.
    """
    with run.connect() as client:
        found = client.search_songs(" ".join(words), filter=selection, page_size=min(limit, PAGE))
        count = run.output.many(itertools.islice(found, limit), song_row)
    if not count:
        run.output.note("no song has these words")


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 50), default=10, show_default=True, help="At most so many.")
@pass_run
def suggest(run: Run, /, *, words: tuple[str, ...], limit: int) -> None:
    """Suggest titles, artists and albums for some words."""
    with run.connect() as client:
        run.output.many(client.suggest_songs(" ".join(words), size=limit), _suggestion_row)


@click.command()
@click.option("--exact", is_flag=True, help="Count all of them, however long it takes.")
@click.option(
    "--by", "facets", multiple=True, type=click.Choice(list(FACETS)), help="Count each of these too; can be repeated."
)
@click.option(
    "--top", type=click.IntRange(1, 200), default=20, show_default=True, metavar="N", help="Of each the N most."
)
@filter_options
@pass_run
def count(run: Run, /, *, exact: bool, facets: tuple[str, ...], top: int, selection: SongFilter) -> None:
    """Count songs, also by genre, artist or decade.

    A song must match all filters. What would take long is an estimate, which says "about".
    """
    asked = list(dict.fromkeys(facets))
    with run.connect() as client:
        answer = client.count_songs(
            filter=selection, exact=exact, facets=[FACETS[facet] for facet in asked], facet_size=top
        )
    values = {
        "total": answer.total_size,
        "estimated": answer.total_size_estimated,
        **{
            name: {"estimated": facet.estimated, "counts": {count.value: count.size for count in facet.counts}}
            for name, facet in zip(asked, answer.facets, strict=True)
        },
    }
    lines = [_about(answer.total_size, "songs", estimated=answer.total_size_estimated)]
    for name, facet in zip(asked, answer.facets, strict=True):
        lines += [f"{name}\t{each.value}\t{_about(each.size, '', estimated=facet.estimated)}" for each in facet.counts]
    run.output.document(values, "\n".join(lines))


def _about(size: int, what: str, *, estimated: bool) -> str:
    return f"{'about ' if estimated else ''}{size:,} {what}".rstrip()


def _suggestion_row(suggestion: Suggestion) -> Fields:
    kind = SuggestionKind.Name(suggestion.kind).removeprefix("SUGGESTION_KIND_").lower()
    return {"kind": kind, "name": suggestion.text}
