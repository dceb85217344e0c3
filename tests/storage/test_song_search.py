"""How many songs a search looks at and ranks, where words are in very many of them."""

import pytest

from songs.v1.song_pb2 import Song, SongFilter
from songserver.storage import song_search
from songserver.storage.mongo import Mongo
from songserver.storage.redirects import Redirects
from songserver.storage.song_search import FEWEST_CANDIDATES, SongSearch
from songserver.storage.songs import NewSong, Songs
from songserver.storage.vocabulary import Vocabulary

ALL = SongFilter()


async def add(mongo: Mongo, title: str, count: int, *, popularity: int = 0) -> None:
    """Stores songs of a title, each a little more popular than the one before."""
    news = [
        NewSong.of(Song(title=title, artists=["A"], track_number=number + 1, popularity=popularity + number), "user")
        for number in range(count)
    ]
    await Songs(mongo, Vocabulary(mongo), Redirects(mongo)).create_many(news)


async def popularities(mongo: Mongo, text: str, selected: SongFilter = ALL) -> list[int]:
    """Those of the songs that are found, the best song first."""
    found = await SongSearch(mongo, Vocabulary(mongo)).ranked(text, selected)
    return [-song.unpopularity for song in found.ranks]


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few songs that a test makes many."""
    monkeypatch.setattr(song_search, "LOOKED_AT", 10)
    monkeypatch.setattr(song_search, "CANDIDATES", 40)


@pytest.mark.asyncio
async def test_songs_with_words_that_are_seldom_together_are_found_however_unpopular(mongo: Mongo) -> None:
    await add(mongo, "x alpha", 30, popularity=1000)
    await add(mongo, "x beta", 40, popularity=1000)
    await add(mongo, "x beta alpha", 3)

    assert await popularities(mongo, "alpha beta") == [2, 1, 0]


@pytest.mark.asyncio
async def test_of_words_that_are_seldom_together_the_most_popular_songs_are_ranked(mongo: Mongo) -> None:
    await add(mongo, "x alpha beta", 30)
    await add(mongo, "x alpha", 50)
    await add(mongo, "x beta", 50)

    assert await popularities(mongo, "alpha beta") == list(range(29, 29 - FEWEST_CANDIDATES, -1))


@pytest.mark.asyncio
async def test_songs_whose_title_begins_with_the_query_are_ranked_however_unpopular(mongo: Mongo) -> None:
    await add(mongo, "x alpha beta", 30, popularity=1000)
    await add(mongo, "alpha beta", 1)
    await add(mongo, "x alpha", 50, popularity=1000)

    assert (await popularities(mongo, "alpha beta"))[0] == 0


@pytest.mark.asyncio
async def test_of_one_word_many_songs_are_ranked(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(song_search, "LOOKED_AT", 40)
    await add(mongo, "x alpha", 50)

    assert await popularities(mongo, "alpha") == list(range(49, 9, -1))
