"""SearchSongs, as a person types."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import (
    DeleteSongRequest,
    ImportItem,
    ImportSongsRequest,
    SearchSongsRequest,
    UpdateSongRequest,
)
from songserver.auth.keys import read_keys
from songserver.paging import PageTokens
from songserver.testing import SongServer
from tests.conftest import Caller, failure, lasting_server


def titles(caller: Caller, query: str, size: int = 0) -> list[str]:
    """The titles that are found, the best first."""
    answer = caller.songs.SearchSongs(SearchSongsRequest(query=query, page_size=size))
    return [result.song.title for result in answer.results]


@pytest.fixture(scope="module")
def server(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """A server in which only songs of this module are found."""
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("search")) as server:
        yield server


@pytest.fixture(scope="module")
def reader(server: SongServer) -> Caller:
    """Somebody who searches the songs of this module."""
    editor = Caller.new(server, PRIVILEGE_EDITOR)
    for title, artist, album, popularity in (
        ("Orange Horizon", "Chlöe Wîld", "Skyward", 5),
        ("Orange", "Nobody Qwx", "", 1),
        ("Oranges and Lemons", "Nobody Qwx", "", 900),
        ("Blue Orange", "Nobody Qwx", "", 800),
        ("Skies", "Orange Orchestra", "", 1000),
        ("Rivers", "Nobody Qwx", "The Orange Album", 1_000_000),
        ("Don't Stop (Live) [2019]", "AC/DC", "", 0),
        ("Ｗｉｄｅ Straße", "Nobody Qwx", "", 0),
        ("Калинка", "Иван Ребров", "", 0),
        ("夜に駆ける", "ヨアソビ", "", 0),
        ("أغنية", "Nobody Qwx", "", 0),
        ("Supercalifragilisticexpialidocious" + "x" * 60, "Nobody Qwx", "", 0),
        ("★ ★ ★", "!!! Signs", "", 0),
    ):
        more: dict[str, Any] = {"genres": ["Folk", "Russian"], "isrc": "USRC17607839"} if title == "Калинка" else {}
        editor.create(title, artists=[artist], album=album, popularity=popularity, **more)
    return editor


def test_the_song_is_there_with_every_letter(reader: Caller) -> None:
    query = "orange horizon"

    for length in range(1, len(query) + 1):
        assert "Orange Horizon" in titles(reader, query[:length], 100), query[:length]
    for length in range(len("orange h"), len(query) + 1):
        assert titles(reader, query[:length])[0] == "Orange Horizon"


@pytest.mark.parametrize(
    "query",
    [
        "ORANGE hor",
        "hor ora",
        "  horizon,  orange!  ",
        "wild horizon",
        "chloe wild",
        "Chloe\u0308 WI\u0302LD",
        "sky oran wil",
        "skyward",
        "horizon horizon hor",
        "Ｏｒａｎｇｅ Ｈｏｒ",
    ],
)
def test_words_are_found_in_any_order_case_and_spelling(reader: Caller, query: str) -> None:
    assert titles(reader, query) == ["Orange Horizon"]


@pytest.mark.parametrize("query", ["orangehorizon", "orange nothing", "orange zzz", "2018", "qw xq", "夜を", "駆夜"])
def test_every_word_must_be_there(reader: Caller, query: str) -> None:
    assert titles(reader, query) == []


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("dont stop", "Don't Stop (Live) [2019]"),
        ("don’t", "Don't Stop (Live) [2019]"),
        ("stop 2019", "Don't Stop (Live) [2019]"),
        ("ac/dc", "Don't Stop (Live) [2019]"),
        ("wide strasse", "Ｗｉｄｅ Straße"),
        ("калин", "Калинка"),
        ("КАЛИНКА иван", "Калинка"),
        ("kalinka", "Калинка"),
        ("夜", "夜に駆ける"),
        ("る", "夜に駆ける"),
        ("夜に", "夜に駆ける"),
        ("駆ける", "夜に駆ける"),
        ("夜に駆ける", "夜に駆ける"),
        ("ヨアソビ", "夜に駆ける"),
        ("ソビ 夜", "夜に駆ける"),
        ("ﾖｱｿﾋﾞ", "夜に駆ける"),
        ("yoasobi", "夜に駆ける"),
        ("usrc17607839", "Калинка"),
        ("us-rc1-76-07839", "Калинка"),
        ("USRC17", "Калинка"),
        ("folk калинка", "Калинка"),
        ("russian", "Калинка"),
        ("أغن", "أغنية"),
        ("supercalifragilisticexpialidocious" + "x" * 60, "Supercalifragilisticexpialidocious" + "x" * 60),
    ],
)
def test_signs_and_other_scripts_are_found(reader: Caller, query: str, title: str) -> None:
    assert title in titles(reader, query)


def test_title_comes_before_artist_before_album_before_popularity(reader: Caller) -> None:
    assert titles(reader, "orange") == [
        "Orange",
        "Orange Horizon",
        "Oranges and Lemons",
        "Blue Orange",
        "Skies",
        "Rivers",
    ]


def test_among_equals_the_more_popular_comes_first(server: SongServer) -> None:
    editor = Caller.new(server, PRIVILEGE_EDITOR)
    word = f"q{secrets.token_hex(4)}"
    for popularity in (3, 1_000_000_000, 0, 20):
        editor.create(f"{word} song", artists=[str(popularity)], popularity=popularity)

    answer = editor.songs.SearchSongs(SearchSongsRequest(query=word))

    assert [result.song.popularity for result in answer.results] == [1_000_000_000, 20, 3, 0]


def test_whole_words_come_before_beginnings_of_words(editor: Caller) -> None:
    word = f"q{secrets.token_hex(4)}"
    editor.create(f"The {word}s", popularity=10)
    editor.create(f"The {word}", popularity=1)

    assert titles(editor, word) == [f"The {word}", f"The {word}s"]


@pytest.mark.parametrize("query", ["", "   ", "x" * 257])
def test_a_query_has_from_1_to_256_characters(reader: Caller, query: str) -> None:
    refused = failure(reader.songs.SearchSongs, SearchSongsRequest(query=query))

    assert (refused.code, set(refused.fields)) == ("INVALID_DATA_FORMAT", {"query"})


@pytest.mark.parametrize("query", ["!!!", "()[]", "\u0301", "- –", "\x00"])
def test_a_query_of_signs_only_is_refused(reader: Caller, query: str) -> None:
    refused = failure(reader.songs.SearchSongs, SearchSongsRequest(query=query))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["query"])


def test_up_to_16_words_count(reader: Caller) -> None:
    assert titles(reader, "orange horizon" + " orange" * 20) == ["Orange Horizon"]
    many = "orange horizon chloe wild skyward o or ora oran orang h ho hor"
    assert titles(reader, f"{many} w s c") == ["Orange Horizon"]
    assert titles(reader, f"{many} w s c nothing") == ["Orange Horizon"]
    assert titles(reader, f"{many} w s nothing") == []


@pytest.mark.parametrize(
    ("query", "plain"),
    [("$where", "where"), ("{$gt: 0}", "gt 0"), ("ora.*", "ora"), ("orange\\", "orange"), ('"orange', "orange")],
)
def test_a_query_is_never_more_than_words(reader: Caller, query: str, plain: str) -> None:
    assert titles(reader, query) == titles(reader, plain)


def test_results_leave_lyrics_out(editor: Caller) -> None:
    word = f"q{secrets.token_hex(4)}"
    song = editor.create(word, lyrics="la")

    answer = editor.songs.SearchSongs(SearchSongsRequest(query=word))

    song.ClearField("lyrics")
    assert [result.song for result in answer.results] == [song]


def test_a_song_is_found_as_it_is_now(editor: Caller) -> None:
    before, after = f"q{secrets.token_hex(4)}", f"q{secrets.token_hex(4)}"
    song = editor.create(before)

    editor.songs.UpdateSong(UpdateSongRequest(song=Song(id=song.id, title=after)))
    assert (titles(editor, before), titles(editor, after)) == ([], [after])

    editor.songs.DeleteSong(DeleteSongRequest(id=song.id))
    assert titles(editor, after) == []


def test_pages_have_every_result_once_in_order(editor: Caller) -> None:
    word = f"q{secrets.token_hex(4)}"
    items = [ImportItem(song=Song(title=f"{word} {n}", artists=["A"], popularity=n)) for n in range(130)]
    list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)])))
    expected = [f"{word} {number}" for number in reversed(range(130))]

    assert titles(editor, word) == expected[:20]
    assert titles(editor, word, 1000) == expected[:100]
    request = SearchSongsRequest(query=word, page_size=40)
    found, sizes = [], []
    while True:
        answer = editor.songs.SearchSongs(request)
        found += [result.song.title for result in answer.results]
        sizes.append(len(answer.results))
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert (found, sizes) == (expected, [40, 40, 40, 10])


def test_a_token_of_another_query_is_refused(reader: Caller) -> None:
    token = reader.songs.SearchSongs(SearchSongsRequest(query="orange", page_size=2)).next_page_token

    assert token
    for query, made in (("orang", token), ("orange", token + "A"), ("orange", "x")):
        refused = failure(reader.songs.SearchSongs, SearchSongsRequest(query=query, page_token=made))
        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_token"])


def test_a_token_of_an_older_server_that_ranked_otherwise_is_refused(server: SongServer, reader: Caller) -> None:
    request = SearchSongsRequest(query="orange")
    tokens = PageTokens(read_keys(server.settings.keys_kept_in).page_token_secret)
    request.page_token = tokens.write(request, [1, 0, -5, "orange horizon", "01890a5d-ac96-774b-bcce-b302099a8057"])

    refused = failure(reader.songs.SearchSongs, request)

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_token"])


def test_a_page_size_below_0_is_refused(reader: Caller) -> None:
    refused = failure(reader.songs.SearchSongs, SearchSongsRequest(query="orange", page_size=-1))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_size"])


@pytest.mark.alone
def test_every_letter_is_answered_in_time_over_many_songs(editor: Caller) -> None:
    word = f"q{secrets.token_hex(4)}"
    for batch in range(3):
        items = [ImportItem(song=Song(title=f"{word} tune {batch} {n}", artists=["A"])) for n in range(1000)]
        list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)])))
    times = []
    for length in range(1, len(word) + 1):
        started = time.perf_counter()
        assert titles(editor, word[:length])
        times.append(time.perf_counter() - started)
    # The judged bound is 20 ms at the server; this one allows for whatever else the machine does meanwhile.
    assert sorted(times)[len(times) // 2] < 0.1
