"""Both clients watch songs, also through the end of a server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from songclient import InvalidDataFormat, Privilege, ServerUnavailable, Song, SongChange, SongClient, SongFilter
from songserver.testing import running_server
from tests.client.conftest import song
from tests.conftest import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from songclient import WatchSongsResponse
    from songserver.config import Settings

    OpenClient = Callable[..., SongClient]


def next_change(told: Iterator[WatchSongsResponse]) -> WatchSongsResponse:
    return next(each for each in told if each.change != SongChange.SONG_CHANGE_HEARTBEAT)


def test_changes_are_told_and_a_token_goes_on_after_them(editor: SongClient) -> None:
    told = iter(editor.watch_songs(filter=SongFilter(artist="The Harbour Lights")))
    assert next(told).change == SongChange.SONG_CHANGE_HEARTBEAT
    created = editor.create_song(song())
    first = next_change(told)
    assert (first.change, first.song.id) == (SongChange.SONG_CHANGE_CREATED, created.id)
    told.close()  # type: ignore[attr-defined] # it is a generator

    editor.delete_song(created.id)
    again = editor.watch_songs(filter=SongFilter(artist="The Harbour Lights"), resume_token=first.resume_token)
    second = next_change(iter(again))
    assert (second.change, second.song) == (SongChange.SONG_CHANGE_DELETED, Song(id=created.id))


def test_what_cannot_be_read_is_told_at_once(editor: SongClient) -> None:
    with pytest.raises(InvalidDataFormat):
        next(iter(editor.watch_songs(resume_token="made up")))


def test_a_watch_outlives_a_server(open_client: OpenClient, song_server_settings: Settings) -> None:
    """It is restarted at the same address, and what happened meanwhile is told."""
    with running_server(song_server_settings) as first:
        address = first.address
        username, password = first.sign_up("editor", Privilege.PRIVILEGE_EDITOR)
        client = open_client(address, username=username, password=password)
        told = iter(client.watch_songs())
        next(told)
        client.create_song(song(1))
        assert next_change(told).song.title == song(1).title
        heard: list[str] = []
        listening = threading.Thread(target=lambda: heard.append(next_change(told).song.title))
        listening.start()
    with running_server(song_server_settings.model_copy(update={"listen": address})) as second:
        assert second.address == address
        # A client with the same options would share the connection, and hear that it was refused a moment ago.
        Caller.sign_in(second, username, password).create(song(2).title)
        listening.join(30)
        told.close()  # type: ignore[attr-defined]

    assert heard == [song(2).title]


def test_a_watch_is_given_up_where_nobody_answers(open_client: OpenClient, song_server_settings: Settings) -> None:
    with running_server(song_server_settings) as server:
        username, password = server.sign_up("listener", Privilege.PRIVILEGE_LISTENER)
        told = iter(open_client(server.address, username=username, password=password).watch_songs(patience=1.0))
        next(told)
    with pytest.raises(ServerUnavailable):
        list(told)
