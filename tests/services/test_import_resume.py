"""ImportSongs with an id: it goes on where it was cut, and only one stream at a time does."""

import itertools
import queue
import secrets
from collections.abc import Iterable
from typing import Any

import grpc
import pytest

from songs.v1 import song_service_pb2 as pb
from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song, SongFilter
from songserver.storage.imports import RESENT
from songserver.testing import SongServer
from tests.conftest import Caller, Failure, read_failure


@pytest.fixture
def artist() -> str:
    """An artist of the test's own; also the id of its import."""
    return secrets.token_hex(8)


class Import:
    """A stream of an import, whose client sends a message when it is told to."""

    def __init__(self, caller: Caller, import_id: str, **options: Any) -> None:
        self._outbox: queue.Queue[pb.ImportSongsRequest | None] = queue.Queue()
        self.call: Any = caller.songs.ImportSongs(iter(self._outbox.get, None), timeout=30)
        self._outbox.put(pb.ImportSongsRequest(options=pb.ImportOptions(import_id=import_id, **options)))
        self.artist = import_id
        try:
            self.begun: pb.ImportSongsResponse = next(self.call)
        except grpc.RpcError:
            self.close()
            raise

    @property
    def next_index(self) -> int:
        """Where it goes on."""
        return self.begun.next_index

    def send(self, titles: Iterable[object]) -> pb.ImportSongsResponse:
        """Sends songs; gives the answer to them."""
        items = [pb.ImportItem(song=Song(title=str(title), artists=[self.artist])) for title in titles]
        self._outbox.put(pb.ImportSongsRequest(items=items))
        answer: pb.ImportSongsResponse = next(self.call)
        return answer

    def cut(self) -> None:
        """Goes away without an end."""
        self.call.cancel()
        self.close()

    def close(self) -> None:
        """Ends it."""
        self._outbox.put(None)


def refusal(caller: Caller, *requests: pb.ImportSongsRequest) -> Failure:
    with pytest.raises(grpc.RpcError) as caught:
        list(caller.songs.ImportSongs(iter(requests), timeout=30))
    return read_failure(caught.value)


def titles(caller: Caller, artist: str) -> list[str]:
    answer = caller.songs.ListSongs(pb.ListSongsRequest(filter=SongFilter(artist=artist), page_size=1000))
    return [song.title for song in answer.songs]


def test_an_import_goes_on_after_what_is_stored(editor: Caller, artist: str) -> None:
    first = Import(editor, artist)
    assert (first.next_index, len(first.begun.results)) == (0, 0)
    before = [first.send("AB"), first.send("C")]
    first.cut()

    second = Import(editor, artist)

    assert [answer.next_index for answer in before] == [2, 3]
    assert second.next_index == 3
    assert list(second.begun.results) == [result for answer in before for result in answer.results]
    answer = second.send(["", "D"])
    assert [result.index for result in answer.results] == [3, 4]
    assert answer.next_index == 5
    second.close()
    third = Import(editor, artist)
    assert third.next_index == 5
    assert list(third.begun.results)[:3] == list(second.begun.results)
    third.close()
    assert titles(editor, artist) == ["A", "B", "C", "D"]


def test_results_of_the_last_messages_come_once_more(editor: Caller, artist: str) -> None:
    first = Import(editor, artist)
    answers = [first.send([f"{number}a", "" if number % 3 else f"{number}b"]) for number in range(RESENT + 3)]
    first.cut()

    again = Import(editor, artist).begun

    expected = [result for answer in answers[-RESENT:] for result in answer.results]
    assert [(result.index, result.song_id, result.status_code, result.message) for result in again.results] == [
        (result.index, result.song_id, result.status_code, result.message) for result in expected
    ]
    assert any(result.message for result in again.results)


def test_the_stream_that_began_last_goes_on(editor: Caller, artist: str) -> None:
    first = Import(editor, artist)
    first.send("A")
    second = Import(editor, artist)

    with pytest.raises(grpc.RpcError) as caught:
        first.send("B")

    refused = read_failure(caught.value)
    assert (refused.code, refused.status) == ("IMPORT_TAKEN_OVER", grpc.StatusCode.ABORTED)
    assert second.next_index == 1
    second.send("B")
    assert titles(editor, artist) == ["A", "B"]


def test_streams_that_take_it_from_each_other_make_no_song_twice_and_lose_none(editor: Caller, artist: str) -> None:
    all_titles = [str(number) for number in range(60)]
    streams = [Import(editor, artist) for _ in range(3)]
    refusals = 0
    for turn in itertools.cycle(range(3)):
        try:
            answer = streams[turn].send(all_titles[streams[turn].next_index :][:7])
        except grpc.RpcError as error:
            assert read_failure(error).code == "IMPORT_TAKEN_OVER"  # noqa: PT017
            refusals += 1
            streams[turn] = Import(editor, artist)
            answer = streams[turn].send(all_titles[streams[turn].next_index :][:7])
        if answer.next_index == len(all_titles):
            break

    assert refusals > 3
    assert titles(editor, artist) == all_titles


def test_ids_are_the_users_own(server: SongServer, editor: Caller, artist: str) -> None:
    Import(editor, artist).send("A")

    assert Import(Caller.new(server, PRIVILEGE_EDITOR), artist).next_index == 0


def test_an_import_goes_on_as_it_began(editor: Caller, artist: str) -> None:
    Import(editor, artist, existing=pb.EXISTING_SONGS_MERGE).send("A")

    options = pb.ImportOptions(import_id=artist, existing=pb.EXISTING_SONGS_REPLACE)
    refused = refusal(editor, pb.ImportSongsRequest(options=options))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["options.existing"])
    assert "EXISTING_SONGS_MERGE" in refused.message


def test_a_skip_that_is_said_is_the_same_as_none(editor: Caller, artist: str) -> None:
    Import(editor, artist).send("A")

    assert Import(editor, artist, existing=pb.EXISTING_SONGS_SKIP).next_index == 1


def test_a_dry_run_is_not_remembered(editor: Caller, artist: str) -> None:
    options = pb.ImportOptions(import_id=artist, dry_run=True)
    items = [pb.ImportItem(song=Song(title="A", artists=[artist]))]
    (answer,) = editor.songs.ImportSongs(iter([pb.ImportSongsRequest(options=options, items=items)]))

    assert answer.next_index == 1
    assert Import(editor, artist).next_index == 0


def test_the_first_message_of_an_import_with_an_id_has_no_items(editor: Caller, artist: str) -> None:
    items = [pb.ImportItem(song=Song(title="A", artists=[artist]))]
    refused = refusal(editor, pb.ImportSongsRequest(options=pb.ImportOptions(import_id=artist), items=items))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["items"])
    assert titles(editor, artist) == []


def test_options_come_once(editor: Caller, artist: str) -> None:
    request = pb.ImportSongsRequest(options=pb.ImportOptions(import_id=artist))
    refused = refusal(editor, request, request)

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["options"])


def test_an_id_that_is_none_is_refused(editor: Caller) -> None:
    refused = refusal(editor, pb.ImportSongsRequest(options=pb.ImportOptions(import_id="no id")))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["options.import_id"])


def test_what_is_kept_of_results_has_its_bound(editor: Caller, artist: str) -> None:
    """A thousand items can be wrong in many ways each: all of that eight times over is more than a document holds."""
    stream = Import(editor, artist)
    names = {f"{'Ü' * 100}{number}": "" for number in range(3)}
    items = [pb.ImportItem(song=Song(external_ids=names)) for _ in range(1000)]
    for _ in range(RESENT):
        stream._outbox.put(pb.ImportSongsRequest(items=items))
        assert len(next(stream.call).results) == 1000
    stream.cut()

    again = Import(editor, artist).begun

    assert len(again.results) == RESENT * 1000
    assert again.ByteSize() < 4_194_304
