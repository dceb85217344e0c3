"""Reads playlists: M3U with the extensions of players (#EXTINF and the like), or bare lists of files."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO, BinaryIO
from urllib.parse import unquote, urlsplit

from songclient import Song
from songclient.cli.fields import split_list
from songclient.cli.reading import Reject, Row, position_in

_INFO = re.compile(r"#EXTINF:\s*(-?\d{1,9}(?:\.\d+)?)[^,]*,(.*)")
_NUMBER = re.compile(r"\d{1,3}[ .)_-]+(?=\D)")
"""The place in a list, before the name of a file."""
SEPARATOR = " - "
"""What stands between artist and title."""


class M3uSongs:
    """The songs of a playlist: "artist - title" of #EXTINF or, without it, of the file's name."""

    rejects_suffix = "m3u"

    def __init__(self, file: BinaryIO) -> None:
        """Read a file: UTF-8, and where it is not that, Windows' Latin letters."""
        self._file = file
        self.ignored: list[str] = []

    def __iter__(self) -> Iterator[Row]:
        position = position_in(self._file)
        number = 0
        entry: list[str] = []
        for raw in self._file:
            line = _decode(raw).strip()
            if not line or line.startswith("#EXTM3U"):
                continue
            entry.append(line)
            if line.startswith("#"):
                continue
            number += 1
            song, reason = _read(entry)
            yield Row(number, entry, position(), song, reason)
            entry = []

    def rejects(self, file: IO[str], *, begin: bool = True) -> Reject:
        """Begin a playlist of rejected songs in a file, or go on with it."""
        if begin:
            file.write("#EXTM3U\n")

        def add(row: Row, reason: str) -> None:
            lines = [line for line in row.source if not line.startswith("#REJECTED")]
            file.write("\n".join([f"#REJECTED row {row.number}: {reason}", *lines]) + "\n")

        return add


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _read(entry: list[str]) -> tuple[Song, str]:
    """Give the song of an entry, and the reason why it is none."""
    song = Song()
    shown = ""
    for line in entry[:-1]:
        name, _, text = line.partition(":")
        text = text.strip()
        if info := _INFO.match(line):
            seconds = float(info[1])
            if seconds > 0:
                song.duration.FromMilliseconds(round(seconds * 1000))
            shown = info[2].strip()
        elif name == "#EXTALB" and text:
            song.album = text
        elif name == "#EXTART" and text:
            song.artists[:] = split_list(text)
        elif name == "#EXTGENRE" and text:
            song.genres[:] = split_list(text, ",;")
    shown = shown or _name_of(entry[-1])
    artist, separator, title = shown.partition(SEPARATOR)
    known = "; ".join(song.artists)
    if known and shown.startswith(known + SEPARATOR):
        song.title = shown.removeprefix(known + SEPARATOR)
    elif known or not separator:
        song.title = shown
    else:
        song.artists[:] = split_list(artist)
        song.title = title.strip()
    if not song.artists:
        return song, f"names no artist: {shown!r} must be 'artist - title'"
    return song, ""


def _name_of(location: str) -> str:
    """Give the name of a file, without its ending and its place in a list."""
    path = unquote(urlsplit(location).path) if "://" in location else location
    name = (PureWindowsPath if "\\" in path else PurePosixPath)(path).stem
    return _NUMBER.sub("", name, count=1)
