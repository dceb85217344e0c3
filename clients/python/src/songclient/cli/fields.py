"""How the fields of a song are written as text: in cells of a table, in options of a command."""

import contextlib
import json
import re
from collections.abc import Callable

from songclient import Song

Setter = Callable[[Song, str], None]
"""Sets what a text says in a song. Raises ValueError, with the reason, if it cannot be read."""

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_DURATION = re.compile(r"(?:(?:(\d{1,2}):)?(\d{1,3}):)?(\d{1,9})(?:\.(\d{1,9}))?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NO_NAME = re.compile(r"[^a-z0-9]+")
NOT_KNOWN = "?"
"""What catalogues of releases write where they do not know a label or a number."""


def setter_for(column: str) -> Setter | None:
    """Give the setter of the column with this name, or None if a song has no such field."""
    if column.strip().lower().startswith(EXTERNAL_ID_PREFIX):
        name = column.strip().lower().removeprefix(EXTERNAL_ID_PREFIX)
        return _external_id(name.replace(" ", "_").replace("-", "_"))
    return SETTERS.get(field_named(column))


def field_named(column: str) -> str:
    """Give the name in `SETTERS` of what a column is called, also by other programs: "Track Name" is "title"."""
    name = _NO_NAME.sub("_", column.lower()).strip("_")
    return ALIASES.get(name, name)


def split_list(text: str, separators: str = ";") -> list[str]:
    """Split "A; B" at any of the separators into its parts, without the empty ones; or read a list in JSON."""
    if text.startswith('["'):
        with contextlib.suppress(ValueError, RecursionError):
            parts = json.loads(text)
            if all(isinstance(part, str) for part in parts):
                return list(parts)
    return [part for piece in re.split(f"[{separators}]", text) if (part := piece.strip())]


def is_quoted(text: str) -> bool:
    """Say whether a text is a string in JSON, as an export writes one that would be taken for something else."""
    try:
        return text.startswith('"') and isinstance(json.loads(text), str)
    except (ValueError, RecursionError):
        return False


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
        if text != NOT_KNOWN:
            setattr(song, field, json.loads(text) if is_quoted(text) else text)

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


def _place(field: str) -> Setter:
    def set_place(song: Song, text: str) -> None:
        # "3/12": the third of twelve.
        setattr(song, field, whole_number(text.partition("/")[0]))

    return set_place


def _external_ids(song: Song, text: str) -> None:
    try:
        ids = json.loads(text)
    except (ValueError, RecursionError):
        ids = None
    if not isinstance(ids, dict) or not all(isinstance(each, str) for each in ids.values()):
        raise ValueError('must be an object such as {"musicbrainz": "..."}')
    song.external_ids.update(ids)


def _milliseconds(song: Song, text: str) -> None:
    milliseconds = whole_number(text)
    if milliseconds:
        song.duration.FromMilliseconds(milliseconds)


def _external_id(name: str) -> Setter:
    def set_external_id(song: Song, text: str) -> None:
        if text != NOT_KNOWN:
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
    "track_number": _place("track_number"),
    "disc_number": _place("disc_number"),
    # Discogs and those who export like it write "Broken Beat, Dubstep".
    "genre": _several("genres", ",;"),
    "style": _several("genres", ",;"),
    "genres": _several("genres", ",;"),
    "year": _set_year,
    "release_date": _set_release_date,
    "duration_seconds": _set_duration,
    "duration": _set_duration,
    "duration_ms": _milliseconds,
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
    "external_ids": _external_ids,
}
"""The setter of each column by its name, in lower case with "_" for blanks and hyphens."""

ALIASES = {
    **dict.fromkeys(("name", "song", "song_title", "track_name", "track_title"), "title"),
    **dict.fromkeys(("artist_name", "performer", "track_artist"), "artist"),
    **dict.fromkeys(("artist_name_s", "artist_names"), "artists"),
    **dict.fromkeys(("album_name", "album_title", "release", "release_title"), "album"),
    **dict.fromkeys(("albumartist", "album_artist_name"), "album_artist"),
    **dict.fromkeys(("albumartists", "album_artist_name_s"), "album_artists"),
    **dict.fromkeys(("track", "track_no", "tracknumber", "track_num"), "track_number"),
    **dict.fromkeys(("disc", "disc_no", "discnumber", "disk", "disk_number"), "disc_number"),
    **dict.fromkeys(("date", "released", "album_release_date", "original_release_date"), "release_date"),
    **dict.fromkeys(("length", "time"), "duration"),
    **dict.fromkeys(("track_duration_ms", "milliseconds"), "duration_ms"),
    **dict.fromkeys(("publisher", "record_label"), "label"),
    "release_year": "year",
    "lang": "language",
    "tempo": "bpm",
    "catalognumber": "catalog_number",
}
"""What other programs call columns: Exportify, beets, Picard, players."""
