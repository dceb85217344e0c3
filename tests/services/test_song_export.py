"""ExportSongs: all songs in the order of their creation, as fast as they are taken, from where it was cut."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from google.type.date_pb2 import Date

from songs.v1 import song_service_pb2 as pb
from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_streams_pb2 import ExportSongsRequest, ExportSongsResponse
from songserver.storage import song_export
from songserver.testing import SongServer
from tests.conftest import Caller, failure, in_process


@pytest.fixture
def genre() -> str:
    """A genre of the test's own."""
    return secrets.token_hex(8)


def add(caller: Caller, genre: str, count: int, **fields: Any) -> list[str]:
    """Adds songs; gives their titles."""
    titles = [f"{number} {secrets.token_hex(4)}" for number in range(count)]
    songs = (Song(title=title, artists=["Ann"], genres=[genre], **fields) for title in titles)
    items = [pb.ImportItem(song=song) for song in songs]
    for start in range(0, count, 1000):
        list(caller.songs.ImportSongs(iter([pb.ImportSongsRequest(items=items[start : start + 1000])])))
    return titles


def export(caller: Caller, resume_token: str = "", **selected: Any) -> Iterator[ExportSongsResponse]:
    request = ExportSongsRequest(filter=SongFilter(**selected), resume_token=resume_token)
    answers: Iterator[ExportSongsResponse] = caller.songs.ExportSongs(request, timeout=30)
    return answers


def titles_of(answers: Iterator[ExportSongsResponse]) -> list[str]:
    return [song.title for answer in answers for song in answer.songs]


def test_songs_come_whole_in_the_order_of_their_creation(listener: Caller, editor: Caller, genre: str) -> None:
    first = editor.create("B", genres=[genre], lyrics="la la", external_ids={"x": "1"})
    second = editor.create("A", genres=[genre], explicit=False)

    (answer,) = export(listener, genre=genre)

    assert list(answer.songs) == [first, second]


def test_nothing_is_an_export_of_nothing(listener: Caller, genre: str) -> None:
    assert list(export(listener, genre=genre)) == []


@pytest.mark.parametrize("selected", [{"genre": "Jazz"}, {"genre": "Jazz", "year_to": 1999}, {"year_to": 1999}, {}])
def test_an_export_goes_on_after_any_of_its_pages(empty_server: SongServer, selected: dict[str, Any]) -> None:
    editor = Caller.new(empty_server, PRIVILEGE_EDITOR)
    titles = add(editor, "Jazz", 2500, release_date=Date(year=1999))
    answers = list(export(editor, **selected))

    assert titles_of(iter(answers)) == titles
    assert len(answers) > 3
    taken = 0
    for answer in answers:
        taken += len(answer.songs)
        assert titles_of(export(editor, answer.resume_token, **selected)) == titles[taken:]


@in_process
@pytest.mark.parametrize("step", [1, 7, 300, 1000])
def test_years_are_looked_for_step_by_step(
    empty_server: SongServer, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(song_export, "STEP", step)
    monkeypatch.setattr(song_export, "ROWS", 40)
    editor = Caller.new(empty_server, PRIVILEGE_EDITOR)
    kept = []
    for year in (1999, 2005, 2010, 1999, 2005):
        titles = add(editor, "Jazz", 60, release_date=Date(year=year))
        kept += titles if year == 2005 else []

    answers = list(export(editor, year_from=2000, year_to=2009))

    assert titles_of(iter(answers)) == kept
    half = len(answers) // 2
    after = titles_of(export(editor, answers[half].resume_token, year_from=2000, year_to=2009))
    assert titles_of(iter(answers[: half + 1])) + after == kept


def test_an_export_goes_on_though_its_last_song_is_gone(editor: Caller, genre: str) -> None:
    titles = add(editor, genre, 600)
    first, *_ = export(editor, genre=genre)
    editor.songs.DeleteSong(pb.DeleteSongRequest(id=first.songs[-1].id))

    assert titles_of(export(editor, first.resume_token, genre=genre)) == titles[len(first.songs) :]


def test_a_token_goes_on_with_its_own_export_only(listener: Caller, editor: Caller, genre: str) -> None:
    editor.create("A", genres=[genre])
    (answer,) = export(listener, genre=genre)

    for request in (
        ExportSongsRequest(resume_token=answer.resume_token),
        ExportSongsRequest(resume_token=answer.resume_token, filter=SongFilter(genre="other")),
        ExportSongsRequest(resume_token=answer.resume_token[:-1], filter=SongFilter(genre=genre)),
        ExportSongsRequest(resume_token="x", filter=SongFilter(genre=genre)),
    ):
        refused = failure(listener.songs.ExportSongs, request)
        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["resume_token"])


def test_a_filter_is_brought_into_its_canonical_form(listener: Caller, editor: Caller) -> None:
    isrc = f"QZ{secrets.token_hex(2)[:3].upper()}{secrets.randbelow(10**7):07}"
    editor.create("A", isrc=isrc)

    (answer,) = export(listener, isrc=isrc.lower())
    assert [song.isrc for song in answer.songs] == [isrc]
    refused = failure(listener.songs.ExportSongs, ExportSongsRequest(filter=SongFilter(year_from=5)))
    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["filter.year_from"])


def test_long_lyrics_come_in_pages_that_a_client_takes(editor: Caller, genre: str) -> None:
    lyrics = "語" * 50_000
    for start in range(0, 60, 10):
        songs = [Song(title=f"{start + n}", artists=["Ann"], genres=[genre], lyrics=lyrics) for n in range(10)]
        items = [pb.ImportItem(song=song) for song in songs]
        list(editor.songs.ImportSongs(iter([pb.ImportSongsRequest(items=items)])))

    answers = list(export(editor, genre=genre))

    assert [song.title for answer in answers for song in answer.songs] == [str(n) for n in range(60)]
    assert all(song.lyrics == lyrics for answer in answers for song in answer.songs)
    assert max(answer.ByteSize() for answer in answers) <= song_export.PAGE_BYTES * 1.2


def test_a_slow_reader_slows_the_reading(empty_server: SongServer) -> None:
    """What it does not take is not read: neither MongoDB nor the server has work, nor has the server's memory."""
    editor = Caller.new(empty_server, PRIVILEGE_EDITOR)
    uri = empty_server.settings.mongodb_uri
    assert uri
    songs = 1200
    for start in range(0, songs, 60):
        items = [
            pb.ImportItem(song=Song(title=f"{start + n}", artists=["Ann"], lyrics="x" * 50_000)) for n in range(60)
        ]
        list(editor.songs.ImportSongs(iter([pb.ImportSongsRequest(items=items)])))
    with pymongo.MongoClient[dict[str, Any]](uri.get_secret_value()) as client:

        def songs_read() -> int:
            read: int = client.admin.command("serverStatus")["metrics"]["document"]["returned"]
            return read

        before = songs_read()
        answers = export(editor)
        taken = len(next(answers).songs)
        time.sleep(0.7)
        asleep = songs_read()
        time.sleep(0.7)
        # Others ask MongoDB for a document now and then.
        assert songs_read() - asleep < 60
        assert asleep - before < songs * 2 / 3
        assert taken + sum(len(answer.songs) for answer in answers) == songs
        assert songs_read() - before >= songs
