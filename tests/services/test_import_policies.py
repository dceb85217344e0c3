"""ImportSongs: what becomes of songs that are there already, by the policy that the import begins with."""

import secrets
from collections import Counter
from collections.abc import Iterable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.date_pb2 import Date

from songs.v1 import song_service_pb2 as pb
from songs.v1 import status_pb2
from songs.v1.song_pb2 import Song, SongFilter
from tests.conftest import Caller, Failure, read_failure

SKIP, REPLACE, MERGE, FAIL = (
    pb.EXISTING_SONGS_SKIP,
    pb.EXISTING_SONGS_REPLACE,
    pb.EXISTING_SONGS_MERGE,
    pb.EXISTING_SONGS_FAIL,
)
POLICIES = [SKIP, REPLACE, MERGE]


@pytest.fixture
def artist() -> str:
    """An artist of the test's own."""
    return secrets.token_hex(8)


def run(
    caller: Caller, *messages: Iterable[Song | pb.ImportItem], existing: pb.ExistingSongs.ValueType, dry: bool = False
) -> list[pb.ImportResult]:
    """Imports all messages; gives all results."""
    requests = [
        pb.ImportSongsRequest(items=[pb.ImportItem(song=item) if isinstance(item, Song) else item for item in items])
        for items in messages
    ]
    requests[0].options.MergeFrom(pb.ImportOptions(existing=existing, dry_run=dry))
    return [result for answer in caller.songs.ImportSongs(iter(requests), timeout=30) for result in answer.results]


WHY = {status_pb2.SONG_EXISTS: "THERE", status_pb2.INVALID_SONG_DETAILS: "INVALID"}


def told(results: Iterable[pb.ImportResult]) -> list[str]:
    """What the results say: the action, or why there was none."""
    return [
        WHY.get(result.status_code) or pb.ImportAction.Name(result.action).removeprefix("IMPORT_ACTION_")
        for result in results
    ]


def songs_of(caller: Caller, artist: str) -> list[Song]:
    listed = caller.songs.ListSongs(pb.ListSongsRequest(filter=SongFilter(artist=artist), page_size=1000)).songs
    return [caller.get(song.id) for song in listed]


def refusal(caller: Caller, *messages: Iterable[Song], **options: Any) -> Failure:
    with pytest.raises(grpc.RpcError) as caught:
        run(caller, *messages, **options)
    return read_failure(caught.value)


def test_replace_puts_the_item_in_its_place_and_keeps_id_creation_and_lyrics(editor: Caller, artist: str) -> None:
    there = editor.create("A Song", artists=[artist], label="Old", genres=["Rock", "Pop"], lyrics="la", bpm=90)

    (result,) = run(editor, [Song(title="A SONG", artists=[artist], genres=["Jazz"])], existing=REPLACE)

    assert (told([result]), result.song_id) == (["REPLACED"], there.id)
    now = editor.get(there.id)
    assert (now.title, now.label, list(now.genres), now.lyrics, now.bpm) == ("A SONG", "", ["Jazz"], "la", 0)
    assert (now.create_time, now.created_by) == (there.create_time, there.created_by)
    assert now.etag != there.etag
    assert now.update_time.ToNanoseconds() >= there.update_time.ToNanoseconds()


def test_replace_takes_the_items_lyrics_if_it_has_any(editor: Caller, artist: str) -> None:
    there = editor.create("A Song", artists=[artist], lyrics="la")

    run(editor, [Song(title="A Song", artists=[artist], lyrics="lu")], existing=REPLACE)

    assert editor.get(there.id).lyrics == "lu"


@pytest.mark.parametrize("existing", POLICIES)
def test_songs_are_found_by_beginnings_of_words_as_soon_as_it_is_answered(
    editor: Caller, artist: str, existing: pb.ExistingSongs.ValueType
) -> None:
    there = editor.create("There", artists=[artist])
    new, more = (f"x{secrets.token_hex(6)}" for _ in range(2))

    run(
        editor,
        [
            Song(title=f"Title {new}", artists=[artist]),
            Song(title=f"Title {new}", artists=[artist], genres=[more]),
            Song(title="There", artists=[artist], genres=[more]),
        ],
        existing=existing,
    )

    def found(query: str) -> set[str]:
        return {result.song.title for result in editor.songs.SearchSongs(pb.SearchSongsRequest(query=query)).results}

    assert found(new[:9]) == {f"Title {new}"}
    assert found(more[:9]) == (set() if existing == SKIP else {f"Title {new}", there.title})


def test_merge_fills_what_is_empty_and_leaves_the_rest(editor: Caller, artist: str) -> None:
    there = editor.create(
        "A Song", artists=[artist], label="Old", explicit=False, release_date=Date(year=2001), external_ids={"a": "1"}
    )
    item = Song(
        title="A SONG",
        artists=[artist],
        label="New",
        genres=["Jazz"],
        explicit=True,
        release_date=Date(year=2002, month=2),
        duration=Duration(seconds=9),
        external_ids={"a": "2", "b": "3"},
        lyrics="la",
        popularity=7,
        isrc="us-rc1-76-07839",
    )

    (result,) = run(editor, [item], existing=MERGE)

    assert (told([result]), result.song_id) == (["MERGED"], there.id)
    now = editor.get(there.id)
    assert (now.title, now.label, now.explicit, now.release_date) == ("A Song", "Old", False, Date(year=2001))
    assert (list(now.genres), now.duration.seconds, now.lyrics, now.popularity) == (["Jazz"], 9, "la", 7)
    assert (dict(now.external_ids), now.isrc) == ({"a": "1", "b": "3"}, "USRC17607839")


def test_what_would_break_a_rule_together_is_rejected(editor: Caller, artist: str) -> None:
    there = editor.create("A Song", artists=[artist], external_ids={f"a{n}": "1" for n in range(30)})
    item = Song(title="A Song", artists=[artist], external_ids={f"b{n}": "1" for n in range(30)})

    (result,) = run(editor, [item], existing=MERGE)

    assert told([result]) == ["INVALID"]
    assert [violation.field for violation in result.field_violations] == ["song.external_ids"]
    assert editor.get(there.id) == there


@pytest.mark.parametrize("existing", [REPLACE, MERGE])
def test_a_song_that_is_there_just_so_stays_as_it_is(
    editor: Caller, artist: str, existing: pb.ExistingSongs.ValueType
) -> None:
    there = editor.create("A Song", artists=[artist], genres=["Jazz"], lyrics="la")

    (result,) = run(editor, [Song(title="A Song", artists=[artist], genres=["Jazz"])], existing=existing)

    assert (told([result]), result.song_id) == (["UNCHANGED"], there.id)
    assert editor.get(there.id) == there


def test_fail_stores_nothing_of_the_message_and_leaves_the_earlier_ones(editor: Caller, artist: str) -> None:
    there = editor.create("There", artists=[artist])
    messages = [[Song(title="A", artists=[artist])], [Song(title=title, artists=[artist]) for title in ("B", "There")]]

    refused = refusal(editor, *messages, existing=FAIL)

    assert (refused.code, refused.info.metadata["song_id"]) == ("SONG_EXISTS", there.id)
    assert [song.title for song in songs_of(editor, artist)] == ["There", "A"]


def test_fail_takes_a_song_twice_in_a_message_for_one_that_is_there(editor: Caller, artist: str) -> None:
    refused = refusal(editor, [Song(title=title, artists=[artist]) for title in ("A", "B", "a")], existing=FAIL)

    assert refused.code == "SONG_EXISTS"
    assert songs_of(editor, artist) == []


def with_repeats(artist: str) -> list[list[Song | pb.ImportItem]]:
    """Messages with songs that are there, new ones, repeats in a message and across, requests, and bad ones."""

    def song(title: str, **fields: Any) -> Song:
        return Song(title=title, artists=[artist], **fields)

    return [
        [song("There", label="Item"), song("New"), song("NEW", label="Second"), song(""), song("There", label="Item")],
        [song("new", label="Third"), song("Other", bpm=90), pb.ImportItem(song=song("R"), request_id=f"{artist}-1")],
        [song("Other", bpm=90), pb.ImportItem(song=song("S"), request_id=f"{artist}-1"), song("R", tags=["x"])],
        [song("There"), song("Other", genres=["Pop"], lyrics="la"), song("s", isrc="none")],
    ]


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        (SKIP, "T C T I T T C C T C T T T I"),
        (REPLACE, "R C R I U R C C U C R R R I"),
        (MERGE, "M C M I U U C C U C M U M I"),
    ],
    ids=["skip", "replace", "merge"],
)
def test_a_dry_run_tells_what_the_real_run_does_and_stores_nothing(
    editor: Caller, artist: str, existing: pb.ExistingSongs.ValueType, expected: str
) -> None:
    there = editor.create("There", artists=[artist])

    rehearsed = run(editor, *with_repeats(artist), existing=existing, dry=True)

    assert songs_of(editor, artist) == [there]
    assert {result.song_id for result in rehearsed} == {"", there.id}
    real = run(editor, *with_repeats(artist), existing=existing)
    assert [each[0] for each in told(real)] == expected.split()
    assert told(rehearsed) == told(real)
    assert [result.index for result in rehearsed] == [result.index for result in real]
    assert Counter(result.song_id != "" for result in real)[True] == 12


def test_a_dry_run_fails_where_the_real_run_does(editor: Caller, artist: str) -> None:
    messages = [[Song(title="A", artists=[artist])], [Song(title="a", artists=[artist])]]

    assert refusal(editor, *messages, existing=FAIL, dry=True).code == "SONG_EXISTS"
    assert songs_of(editor, artist) == []
    assert refusal(editor, *messages, existing=FAIL).code == "SONG_EXISTS"
    assert [song.title for song in songs_of(editor, artist)] == ["A"]


@pytest.mark.parametrize("existing", POLICIES)
def test_repeats_leave_the_same_songs_in_one_message_and_in_many(
    editor: Caller, artist: str, existing: pb.ExistingSongs.ValueType
) -> None:
    def left(artist: str) -> list[Song]:
        found = songs_of(editor, artist)
        for song in found:
            song.ClearField("id")
            song.ClearField("create_time")
            song.ClearField("update_time")
            song.artists[:] = ["one of them"]
        return found

    one, many = f"{artist}-one", f"{artist}-many"
    run(editor, [item for message in with_repeats(one) for item in message], existing=existing)
    run(editor, *([item] for message in with_repeats(many) for item in message), existing=existing)

    assert left(one) == left(many) != []


def test_a_policy_that_nobody_knows_is_refused(editor: Caller, artist: str) -> None:
    refused = refusal(editor, [Song(title="A", artists=[artist])], existing=9)

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["options.existing"])
