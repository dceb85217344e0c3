"""Writes songs into files: tables and JSON Lines, which hold all of a song and can be imported again, and playlists."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Final

from songclient import Song
from songclient.cli.display import date_text
from songclient.cli.fields import NOT_KNOWN, is_quoted, split_list
from songclient.cli.output import as_json_line

Write = Callable[[Iterable[Song]], str]
"""Gives the text of some songs."""


def _csv(songs: Iterable[Song]) -> str:
    out = io.StringIO(newline="")
    # Lines end as in RFC 4180: with any other end, the writer would not quote a cell with a lone "\r".
    csv.writer(out).writerows([cell(song) for cell in _CELLS.values()] for song in songs)
    return out.getvalue()


def _jsonl(songs: Iterable[Song]) -> str:
    return "".join(f"{as_json_line(song)}\n" for song in songs)


def _m3u(songs: Iterable[Song]) -> str:
    lines = []
    for song in songs:
        artists = "; ".join(song.artists)
        seconds = song.duration.seconds + round(song.duration.nanos / 1e9) if song.HasField("duration") else -1
        lines.append(f"#EXTINF:{seconds},{artists} - {song.title}")
        lines.append(f"#EXTART:{artists}")
        if song.album:
            lines.append(f"#EXTALB:{song.album}")
        if song.genres:
            lines.append(f"#EXTGENRE:{'; '.join(song.genres)}")
        # Where its sound is, the catalogue does not know.
        lines.append(f"urn:uuid:{song.id}")
    return "".join(f"{line}\n" for line in lines)


def _several(field: str, separators: str = ";") -> Callable[[Song], str]:
    def cell(song: Song) -> str:
        values = list(getattr(song, field))
        text = "; ".join(values)
        return text if split_list(text, separators) == values else json.dumps(values, ensure_ascii=False)

    return cell


def _number(field: str) -> Callable[[Song], str]:
    def cell(song: Song) -> str:
        value = getattr(song, field)
        return f"{value!r}".removesuffix(".0") if value else ""

    return cell


def _text(field: str) -> Callable[[Song], str]:
    def cell(song: Song) -> str:
        text: str = getattr(song, field)
        return text

    return cell


def _label(song: Song) -> str:
    return json.dumps(song.label) if song.label == NOT_KNOWN or is_quoted(song.label) else song.label


def _duration(song: Song) -> str:
    seconds, nanos = song.duration.seconds, song.duration.nanos
    return f"{seconds}.{nanos:09}".rstrip("0").rstrip(".") if song.HasField("duration") else ""


def _explicit(song: Song) -> str:
    return f"{song.explicit}".lower() if song.HasField("explicit") else ""


def _external_ids(song: Song) -> str:
    return json.dumps(dict(song.external_ids), ensure_ascii=False, sort_keys=True) if song.external_ids else ""


_CELLS: Final[dict[str, Callable[[Song], str]]] = {
    "title": _text("title"),
    "artists": _several("artists"),
    "album": _text("album"),
    "album_artists": _several("album_artists"),
    "disc_number": _number("disc_number"),
    "track_number": _number("track_number"),
    "genres": _several("genres", ",;"),
    "release_date": lambda song: date_text(song.release_date) if song.HasField("release_date") else "",
    "duration_seconds": _duration,
    "isrc": _text("isrc"),
    "language": _text("language"),
    "label": _label,
    "bpm": _number("bpm"),
    "explicit": _explicit,
    "tags": _several("tags"),
    "popularity": _number("popularity"),
    "external_ids": _external_ids,
    "lyrics": _text("lyrics"),
}
"""The columns of a table, and what is in them; a table in them is read to the letter."""

WRITERS: Final[dict[str, tuple[str, Write]]] = {
    "csv": (",".join(_CELLS) + "\r\n", _csv),
    "jsonl": ("", _jsonl),
    "m3u": ("#EXTM3U\n", _m3u),
}
"""For each format how its files begin, and what writes songs."""
EXPORT_SUFFIXES: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".m3u": "m3u", ".m3u8": "m3u"}
