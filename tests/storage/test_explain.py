"""Lists and searches go by indexes: MongoDB's profiler tells of each query the plan that it really took."""

import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pymongo
import pytest
from pymongo.database import Database

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song, SongFilter, SongOrder
from songs.v1.song_service_pb2 import ImportItem, ImportSongsRequest, ListSongsRequest, SearchSongsRequest
from tests.conftest import Caller, lasting_server

COUNT = 600
ORDERS = list(itertools.product(SongOrder.values(), (False, True)))
FILTERS = {
    "artist": SongFilter(artist="artist 3"),
    "album": SongFilter(album="Album 4"),
    "genre": SongFilter(genre="Genre 2"),
    "isrc": SongFilter(isrc="GBAYE0000007"),
    "created_by": SongFilter(created_by="01890a5d-ac96-774b-bcce-b302099a8057"),
    "year": SongFilter(year_from=1990, year_to=1992),
    "from": SongFilter(year_from=2009),
    "all": SongFilter(artist="Artist 3", album="Album 3", genre="Genre 1", year_from=1980, year_to=2000),
}


ESTIMATE = "RECORD_STORE_FAST_COUNT"
"""The plan of a look at how many songs MongoDB has noted that there are."""


class Plan(NamedTuple):
    """How MongoDB found something."""

    summary: str
    """Such as `IXSCAN { keys.title: 1, _id: 1 }`."""
    sorts: bool
    """Whether it had to sort what it found."""

    @property
    def has_index(self) -> bool:
        """Whether it went by an index, and by nothing else."""
        return {*re.findall(r"\b[A-Z_]{3,}\b", self.summary)} <= {"IXSCAN", "COUNT_SCAN", "IDHACK", "EOF"}


class Catalogue(NamedTuple):
    """A server with songs in it, and its database, which notes how it finds them."""

    caller: Caller
    database: Database[dict[str, Any]]

    def plans(self) -> list[Plan]:
        """Gives the plan of each query on songs that was made since the last time."""
        profile = self.database["system.profile"]
        query = {"ns": f"{self.database.name}.songs", "planSummary": {"$exists": True}}
        plans = [Plan(entry["planSummary"], entry.get("hasSortStage", False)) for entry in profile.find(query)]
        self.database.command("profile", 0)
        profile.drop()
        self.database.command("profile", 2)
        return [plan for plan in plans if plan.summary != ESTIMATE]


@pytest.fixture(scope="module")
def catalogue(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    songs = [
        Song(
            title=f"Orange Horizon {number}",
            artists=[f"Artist {number % 20}"],
            album=f"Album {number % 30}",
            genres=[f"Genre {number % 7}"],
            isrc=f"GBAYE{number:07}",
            popularity=number % 100,
            release_date={"year": 1960 + number % 60},
        )
        for number in range(COUNT)
    ]
    with (
        lasting_server(song_server_mongodb, tmp_path_factory.mktemp("explain")) as server,
        pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client,
    ):
        caller = Caller.new(server, PRIVILEGE_EDITOR)
        request = ImportSongsRequest(items=[ImportItem(song=song) for song in songs])
        assert len(next(iter(caller.songs.ImportSongs(iter([request])))).results) == COUNT
        catalogue = Catalogue(caller, client[server.settings.mongodb_database])
        catalogue.plans()
        yield catalogue


@pytest.fixture
def fresh(catalogue: Catalogue) -> Catalogue:
    """The catalogue, with nothing noted yet."""
    catalogue.plans()
    return catalogue


@pytest.mark.parametrize(("order", "descending"), ORDERS)
def test_every_order_is_read_from_an_index(fresh: Catalogue, order: SongOrder.ValueType, descending: bool) -> None:  # noqa: FBT001
    """Without sorting, on the first page, by number and by token."""
    request = ListSongsRequest(order_by=order, descending=descending, page_size=10)
    token = fresh.caller.songs.ListSongs(request).next_page_token
    by_number = ListSongsRequest(order_by=order, descending=descending, page_size=10, page_number=3)
    fresh.caller.songs.ListSongs(by_number)
    request.page_token = token
    assert fresh.caller.songs.ListSongs(request).songs

    plans = fresh.plans()
    assert len(plans) == 3
    assert all(plan.has_index and not plan.sorts for plan in plans), plans


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("order", "descending"), ORDERS)
def test_every_filter_goes_by_an_index_in_every_order(
    fresh: Catalogue,
    name: str,
    order: SongOrder.ValueType,
    descending: bool,  # noqa: FBT001
) -> None:
    request = ListSongsRequest(filter=FILTERS[name], order_by=order, descending=descending, page_size=2)
    request.page_token = fresh.caller.songs.ListSongs(request).next_page_token
    fresh.caller.songs.ListSongs(request)
    request.exact_total = True
    request.page_token = ""
    fresh.caller.songs.ListSongs(request)

    plans = fresh.plans()
    assert len(plans) == 6  # three pages and three totals
    assert all(plan.has_index for plan in plans), plans


@pytest.mark.parametrize("query", ["o", "or", "orange hor", "orange horizon 7", "artist 3", "album 12 orange", "xyzzy"])
def test_every_search_goes_by_an_index(fresh: Catalogue, query: str) -> None:
    fresh.caller.songs.SearchSongs(SearchSongsRequest(query=query))

    plans = fresh.plans()
    assert len(plans) >= 2
    assert all(plan.has_index for plan in plans), plans
