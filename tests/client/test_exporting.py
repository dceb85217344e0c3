"""An export goes on by itself where it was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from songclient import InvalidDataFormat, ServerUnavailable, Song, SongClient, SongFilter, StatusCode
from songs.v1.song_streams_pb2 import ExportSongsResponse
from songs.v1.user_service_pb2 import GetMeResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client.conftest import Scripted

    OpenClient = Callable[..., SongClient]


class Export:
    """Gives ten pages of two songs, and breaks off where it is told."""

    def __init__(self, scripted: Scripted, breaks: list[int]) -> None:
        self._scripted = scripted
        self._breaks = iter(breaks)
        self.tokens: list[str] = []
        scripted.answers["GetMe"] = lambda _request, _context: GetMeResponse()
        scripted.answers["ExportSongs"] = self.answer

    def answer(self, request: Any, context: grpc.ServicerContext) -> Iterator[ExportSongsResponse]:
        left = next(self._breaks, 1000)
        assert request.filter.genre == "Jazz"
        self.tokens.append(request.resume_token)
        for page in range(int(request.resume_token or 0), 10):
            if not left:
                self._scripted.fail(context, None, grpc.StatusCode.UNAVAILABLE)
            left -= 1
            songs = [Song(title=f"{page} {number}") for number in range(2)]
            yield ExportSongsResponse(songs=songs, resume_token=f"{page + 1}")


TITLES = [f"{page} {number}" for page in range(10) for number in range(2)]
JAZZ = SongFilter(genre="Jazz")


@pytest.mark.parametrize(("breaks", "tokens"), [([], [""]), ([0], ["", ""]), ([3, 0, 4], ["", "3", "3", "7"])])
def test_songs_come_once_however_often_it_is_cut(
    scripted: Scripted, open_client: OpenClient, breaks: list[int], tokens: list[str]
) -> None:
    server = Export(scripted, breaks)

    assert [song.title for song in open_client(scripted.address).export_songs(filter=JAZZ)] == TITLES
    assert server.tokens == tokens


def test_pages_have_the_token_to_go_on_after_them(scripted: Scripted, open_client: OpenClient) -> None:
    Export(scripted, [])
    client = open_client(scripted.address)
    pages = list(client.export_songs_pages(filter=JAZZ))
    assert [page.resume_token for page in pages] == [f"{number}" for number in range(1, 11)]

    rest = client.export_songs_pages(filter=JAZZ, resume_token=pages[6].resume_token)
    assert [song.title for page in rest for song in page.songs] == TITLES[14:]


def test_it_is_given_up_where_nothing_is_heard_for_too_long(scripted: Scripted, open_client: OpenClient) -> None:
    Export(scripted, [0] * 1000)
    with pytest.raises(ServerUnavailable):
        list(open_client(scripted.address).export_songs(filter=JAZZ, patience=0.3))


def test_a_refusal_is_told_at_once(scripted: Scripted, open_client: OpenClient) -> None:
    Export(scripted, [])
    scripted.answers["ExportSongs"] = lambda _request, context: scripted.fail(
        context, StatusCode.INVALID_DATA_FORMAT, grpc.StatusCode.INVALID_ARGUMENT
    )
    with pytest.raises(InvalidDataFormat):
        list(open_client(scripted.address).export_songs(filter=JAZZ))
    assert scripted.calls["ExportSongs"] == 1
