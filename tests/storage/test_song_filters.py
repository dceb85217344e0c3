"""A filter selects the same songs as a query of MongoDB's and as a function."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from songs.v1.song_pb2 import Song, SongFilter
from songserver.storage.mongo import Mongo
from songserver.storage.song_lists import to_predicate, to_query
from songserver.storage.songs import NewSong

NAMES = st.sampled_from(["", "Zoë", "ZOË", "zoe", "Straße", "STRASSE", "ﬁn", "Fin", "a  b", "A B"])
YEARS = st.sampled_from([0, 1000, 1969, 1970, 1971, 2100])
CREATORS = ["01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"]
ISRCS = st.sampled_from(["", "GBAYE0000001", "GBAYE0000002"])


@st.composite
def songs(draw: st.DrawFn) -> Song:
    song = Song(
        title="A Song",
        artists=draw(st.lists(NAMES.filter(bool), min_size=1, max_size=2)),
        album=draw(NAMES),
        genres=draw(st.lists(NAMES.filter(bool), max_size=2)),
        isrc=draw(ISRCS),
    )
    if year := draw(YEARS):
        song.release_date.year = year
        song.release_date.month = draw(st.sampled_from([0, 1, 12]))
    return song


FILTERS = st.builds(
    SongFilter,
    artist=NAMES,
    album=NAMES,
    genre=NAMES,
    year_from=YEARS,
    year_to=YEARS,
    isrc=ISRCS,
    created_by=st.sampled_from(["", CREATORS[0], CREATORS[0].upper(), CREATORS[1]]),
)
NARROW = st.one_of(
    *(
        st.builds(SongFilter, **{name: values})
        for name, values in {
            "artist": NAMES,
            "album": NAMES,
            "genre": NAMES,
            "year_from": YEARS,
            "year_to": YEARS,
        }.items()
    )
)


@pytest.mark.asyncio
async def test_a_filter_is_the_same_as_a_query_and_as_a_function(mongo: Mongo) -> None:
    collection = mongo.collection("filtered")
    loop = asyncio.get_running_loop()

    async def found(selected: SongFilter) -> set[str]:
        return {document["_id"] async for document in collection.find(to_query(selected), {"_id": True})}

    async def store(made: list[Song]) -> list[NewSong]:
        news = [NewSong.of(song, CREATORS[place % 2]) for place, song in enumerate(made)]
        await collection.delete_many({})
        await collection.insert_many([new.document for new in news])
        return news

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(
        made=st.lists(songs(), min_size=5, max_size=20), filters=st.lists(FILTERS | NARROW, min_size=10, max_size=10)
    )
    def check(made: list[Song], filters: list[SongFilter]) -> None:
        def run(work: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(30)

        news = run(store(made))
        for selected in filters:
            selects = to_predicate(selected)
            assert {new.song.id for new in news if selects(new.song)} == run(found(selected)), selected

    await asyncio.to_thread(check)
