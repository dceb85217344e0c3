"""What the lists of songs keep to themselves; what they answer is tested with the service."""

import pytest

from songs.v1.song_pb2 import SongFilter
from songserver.config import Settings
from songserver.groundwork import groundwork
from songserver.storage import song_lists
from songserver.storage.song_lists import SongLists

pytestmark = pytest.mark.asyncio


async def test_a_total_that_is_forgotten_while_it_is_asked_for_is_no_error(
    song_server_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was an incident, seen under load: it was there when looked for, and gone when read."""
    monkeypatch.setattr(song_lists, "TOTAL_MEMORY", 0.0)
    async with groundwork(song_server_settings) as ground:
        assert await SongLists(ground.mongo).total(SongFilter(), exact=False) == (0, True)
