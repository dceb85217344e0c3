"""What only the client for asyncio can do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from songclient import AsyncSongClient, Privilege, PrivilegeError, Song, StatusCode
from songclient.aio.importing import BATCH_SONGS
from songs.v1.song_service_pb2 import GetSongResponse
from songs.v1.user_service_pb2 import GetMeResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from songserver.testing import SongServer
    from tests.client.conftest import Scripted, Sessions


def test_outside_of_an_event_loop_it_is_not_made() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncSongClient()


@pytest.mark.asyncio
async def test_many_calls_in_one_loop_share_a_session(empty_server: SongServer) -> None:
    username, password = empty_server.sign_up("editor", Privilege.PRIVILEGE_EDITOR)
    told: list[Any] = []

    async with AsyncSongClient(
        empty_server.address, username=username, password=password, on_session=told.append
    ) as client:
        songs = await asyncio.gather(
            *(client.create_song(Song(title=f"Song {number}", artists=["A"])) for number in range(50))
        )
        listed = {song.id async for song in client.list_songs(page_size=7)}

    assert listed == {song.id for song in songs}
    assert len(told) == 1


@pytest.mark.asyncio
async def test_an_import_takes_songs_that_come_one_by_one(empty_server: SongServer) -> None:
    username, password = empty_server.sign_up("editor", Privilege.PRIVILEGE_EDITOR)

    async def songs() -> AsyncIterator[Song]:
        for number in range(3):
            await asyncio.sleep(0.01)
            yield Song(title=f"Song {number}", artists=["A"])

    async with AsyncSongClient(empty_server.address, username=username, password=password) as client:
        results = [result async for result in client.import_songs(songs())]

    assert [result.status_code for result in results] == [StatusCode.SUCCESS] * 3


@pytest.mark.asyncio
async def test_songs_that_come_slowly_do_not_hide_why_an_import_was_refused(scripted: Scripted) -> None:
    scripted.answers["GetMe"] = lambda _request, _context: GetMeResponse()
    scripted.answers["ImportSongs"] = lambda _requests, context: scripted.fail(
        context, StatusCode.PRIVILEGE_ERROR, grpc.StatusCode.PERMISSION_DENIED
    )

    async def songs() -> AsyncIterator[Song]:
        for number in range(10 * BATCH_SONGS):
            if number % BATCH_SONGS == 0:
                await asyncio.sleep(0.002)
            yield Song(title=f"Song {number}")

    async with AsyncSongClient(scripted.address) as client:
        for _ in range(10):
            with pytest.raises(PrivilegeError):
                await anext(client.import_songs(songs()))


@pytest.mark.asyncio
async def test_who_gives_up_while_the_session_is_renewed_does_not_end_it(
    scripted: Scripted, sessions: Sessions
) -> None:
    renewing = asyncio.Event()
    loop = asyncio.get_running_loop()
    refresh = scripted.answers["RefreshSession"]

    def slow_refresh(request: Any, context: Any) -> Any:
        response = refresh(request, context)
        loop.call_soon_threadsafe(renewing.set)
        time.sleep(0.3)
        return response

    scripted.answers["RefreshSession"] = slow_refresh
    scripted.answers["GetSong"] = sessions.guard(lambda _request, _context: GetSongResponse())
    async with AsyncSongClient(scripted.address, session=sessions.next()) as client:
        sessions.good = set()
        impatient = asyncio.create_task(client.get_song("x"))
        await renewing.wait()
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient

        await client.get_song("x")

    assert scripted.calls["RefreshSession"] == 1
