"""How the fields of a song are written as text: in cells of a table, in options of a command."""

import re
from collections.abc import Callable

from songclient import Song

Setter = Callable[[Song, str], None]
"""Sets what a text says in a song. Raises ValueError, with the reason, if it cannot be read."""

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_DURATION = re.compile(r"(?:(?:(\d{1,2}):)?(\d{1,3}):)?(\d{1,9})(?:\.(\d{1,9}))?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOT_KNOWN = "?"
"""What catalogues of releases write where they do not know a label or a number."""


def setter_for(column: str) -> Setter | None:
    """Give the setter of the column with this name, or None if a song has no such field."""
    name = column.strip().lower().replace(" ", "_").replace("-", "_")
    if name.startswith(EXTERNAL_ID_PREFIX):
        return _external_id(name.removeprefix(EXTERNAL_ID_PREFIX))
    return SETTERS.get(name)


def split_list(text: str, separators: str = ";") -> list[str]:
    """Split "A; B" at any of the separators into its parts, without the empty ones."""
    return [part for piece in re.split(f"[{separators}]", text) if (part := piece.strip())]


def whole_number(text: str) -> int:
    """Read a whole number. Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, not {text!r}") from None


def _text(field: str) -> Setter:
    def set_text(song: Song, text: str) -> None:
        setattr(song, field, text)

    return set_text


def _known_text(field: str) -> Setter:
    def set_known_text(song: Song, text: str) -> None:
        if text != _NOT_KNOWN:
            setattr(song, field, text)

    return set_known_text


def _one_more(field: str) -> Setter:
    def append(song: Song, text: str) -> None:
        getattr(song, field).append(text)

    return append


def _several(field: str, separators: str = ";") -> Setter:
    def extend(song: Song, text: str) -> None:
        getattr(song, field).extend(split_list(text, separators))

    return extend


def _number(field: str) -> Setter:
    def set_number(song: Song, text: str) -> None:
        setattr(song, field, whole_number(text))

    return set_number


def _external_id(name: str) -> Setter:
    def set_external_id(song: Song, text: str) -> None:
        if text != _NOT_KNOWN:
            song.external_ids[name] = text

    return set_external_id


def _set_bpm(song: Song, text: str) -> None:
    try:
        song.bpm = float(text)
    except ValueError:
        raise ValueError(f"must be a number, not {text!r}") from None


def _set_explicit(song: Song, text: str) -> None:
    try:
        song.explicit = _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"must be true or false, not {text!r}") from None


def _set_year(song: Song, text: str) -> None:
    # A full release_date, wherever its column stands, says more than the year beside it.
    if (year := whole_number(text)) and not song.HasField("release_date"):
        song.release_date.year = year


def _set_release_date(song: Song, text: str) -> None:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"must be YYYY, YYYY-MM or YYYY-MM-DD, not {text!r}")
    year, month, day = match.groups(default="0")
    date = song.release_date
    date.year, date.month, date.day = int(year), int(month), int(day)


def _set_duration(song: Song, text: str) -> None:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"must be seconds (205, 205.5) or [hours:]minutes:seconds, not {text!r}")
    hours, minutes, seconds, fraction = match.groups(default="0")
    total = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    nanos = int(fraction.ljust(9, "0"))
    # Tables write 0 where the length is not known, as they do for a track number.
    if total or nanos:
        song.duration.seconds, song.duration.nanos = total, nanos


EXTERNAL_ID_PREFIX = "external_ids."

SETTERS: dict[str, Setter] = {
    "title": _text("title"),
    "artist": _one_more("artists"),
    "artists": _several("artists"),
    "album": _text("album"),
    "album_artist": _one_more("album_artists"),
    "album_artists": _several("album_artists"),
    "track_number": _number("track_number"),
    "disc_number": _number("disc_number"),
    # Discogs and those who export like it write "Broken Beat, Dubstep".
    "genre": _several("genres", ",;"),
    "style": _several("genres", ",;"),
    "genres": _several("genres", ",;"),
    "year": _set_year,
    "release_date": _set_release_date,
    "duration_seconds": _set_duration,
    "duration": _set_duration,
    "isrc": _text("isrc"),
    "language": _text("language"),
    "label": _known_text("label"),
    "bpm": _set_bpm,
    "explicit": _set_explicit,
    "tags": _several("tags"),
    "lyrics": _text("lyrics"),
    "popularity": _number("popularity"),
    "rating": _number("popularity"),
    "catalog_number": _external_id("catalog_number"),
}
"""The setter of each column by its name, in lower case with "_" for blanks and hyphens."""
