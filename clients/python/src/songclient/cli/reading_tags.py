"""Reads songs from the tags of audio files: one file, or all in a folder and those below it."""

import contextlib
import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tinytag import TinyTag, TinyTagException

from songclient import Song
from songclient.cli.fields import SETTERS, whole_number
from songclient.cli.reading import REJECT_COLUMNS, Reject, Row

SUFFIXES = {".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".wav", ".aiff", ".aif"}
_DATE = re.compile(r"([12]\d{3})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_RECORDING = ("musicbrainz_trackid", "musicbrainz track id")
"""What formats call MusicBrainz' id of a recording."""


class TaggedSongs:
    """The songs of audio files, in the order of their paths."""

    rejects_suffix = "csv"

    def __init__(self, path: Path) -> None:
        """Find the files: the path itself, or what is below it."""
        self._root = path
        self.paths = [path] if path.is_file() else sorted(_audio_files(path))
        self.ignored: list[str] = []

    @property
    def size(self) -> int:
        """How many bytes the files have together."""
        return sum(path.stat().st_size for path in self.paths)

    def __iter__(self) -> Iterator[Row]:
        position = 0
        for number, path in enumerate(self.paths, start=1):
            song, reason = Song(), ""
            try:
                position += path.stat().st_size
                _fill(song, TinyTag.get(path))
            except (TinyTagException, OSError, ValueError) as error:
                reason = f"cannot be read as audio: {error}"
            else:
                missing = [name for name, there in (("title", song.title), ("artist", song.artists)) if not there]
                reason = f"has no {' and no '.join(missing)} in its tags" if missing else ""
            yield Row(number, path, position, song, reason, skipped=bool(reason))

    def rejects(self, file: IO[str], *, begin: bool = True) -> Reject:
        """Begin a table of rejected files in a file, or go on with it."""
        writer = csv.writer(file)
        if begin:
            writer.writerow([*REJECT_COLUMNS, "file"])

        def add(row: Row, reason: str) -> None:
            writer.writerow([row.number, reason, row.source])

        return add


def _audio_files(folder: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(folder):
        yield from (Path(directory, name) for name in names if Path(name).suffix.lower() in SUFFIXES)


def _fill(song: Song, tag: TinyTag) -> None:
    """Set what the tags say."""
    values = tag.as_dict()

    def all_of(*names: str) -> list[str]:
        found = next((values[name] for name in names if values.get(name)), [])
        return [text for each in (found if isinstance(found, list) else [found]) if (text := str(each).strip())]

    song.title = "".join(all_of("title")[:1])
    song.artists.extend(all_of("artist"))
    song.album = "".join(all_of("album")[:1])
    song.album_artists.extend(all_of("albumartist"))
    song.genres.extend(all_of("genre"))
    song.label = "".join(all_of("label", "publisher")[:1])
    song.lyrics = "".join(all_of("lyrics")[:1])
    for field, name in (("track_number", "track"), ("disc_number", "disc"), ("bpm", "bpm")):
        # Who writes "fast" as a tempo still has a song.
        with contextlib.suppress(ValueError):
            SETTERS[field](song, "".join(all_of(name)[:1]) or "0")
    song.isrc = "".join(all_of("isrc")[:1])
    song.language = "".join(all_of("language")[:1])
    for text in all_of(*_RECORDING)[:1]:
        song.external_ids["musicbrainz"] = text
    for text in all_of("year")[:1]:
        if date := _DATE.match(text):
            year, month, day = (whole_number(part) for part in date.groups(default="0"))
            song.release_date.year, song.release_date.month, song.release_date.day = year, month, day
    if tag.duration:
        song.duration.FromMilliseconds(round(tag.duration * 1000))
