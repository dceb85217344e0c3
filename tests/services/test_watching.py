"""WatchSongs: each change at least once, in order, for who is there and for who was away."""

import secrets
import time
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from songs.v1.access_pb2 import PRIVILEGE_LISTENER
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import DeleteSongRequest, ImportItem, ImportSongsRequest, UpdateSongRequest
from songs.v1.song_streams_pb2 import WatchSongsRequest
from songs.v1.user_service_pb2 import SignOutRequest
from songserver.services import watching as watching_module
from songserver.services.watching import MOST_WAITING
from songserver.testing import SongServer
from tests.conftest import Caller, failure, in_process
from tests.services.watches import watching


def update(caller: Caller, song_id: str, **fields: Any) -> Song:
    request = UpdateSongRequest(song=Song(id=song_id, **fields), update_mask=FieldMask(paths=list(fields)))
    return caller.songs.UpdateSong(request).song


def delete(caller: Caller, song_id: str) -> None:
    caller.songs.DeleteSong(DeleteSongRequest(id=song_id))


def new_artist() -> str:
    return f"Artist {secrets.token_hex(6)}"


def create_many(caller: Caller, artist: str, count: int) -> list[str]:
    items = [ImportItem(song=Song(title=f"Song {number}", artists=[artist])) for number in range(count)]
    requests = iter([ImportSongsRequest(items=items[start : start + 500]) for start in range(0, count, 500)])
    return [result.song_id for answer in caller.songs.ImportSongs(requests) for result in answer.results]


def test_a_watch_is_told_of_what_happens_to_songs(editor: Caller, listener: Caller) -> None:
    artist = new_artist()
    with watching(listener, artist=artist.upper()) as watch:
        song = editor.create("One", artists=[artist], lyrics="La la la.", genres=["Rock"])
        created = watch.next()
        changed = update(editor, song.id, title="Two")
        updated = watch.next()
        delete(editor, song.id)
        deleted = watch.next()

    song.lyrics = changed.lyrics = ""
    assert created[:2] == ("CREATED", song)
    assert updated[:2] == ("UPDATED", changed)
    assert deleted[:2] == ("DELETED", Song(id=song.id))
    assert len({created.token, updated.token, deleted.token}) == 3


def test_without_a_filter_all_changes_are_told(editor: Caller, listener: Caller) -> None:
    with watching(listener) as watch:
        song = editor.create()
        assert watch.until(song.id)[-1].what == "CREATED"


@pytest.mark.parametrize(
    ("selected", "matching", "other"),
    [
        ({"genre": "ROCK"}, {"genres": ["Pop", "Rock"]}, {"genres": ["Pop"]}),
        ({"album": "straße"}, {"album": "STRASSE"}, {"album": "Gasse"}),
        (
            {"year_from": 1970, "year_to": 1979},
            {"release_date": {"year": 1979, "month": 12}},
            {"release_date": {"year": 1980}},
        ),
        ({"year_to": 1979}, {"release_date": {"year": 1979}}, {"release_date": None}),
        ({"isrc": "GB-AYE-00-00001"}, {"isrc": "GBAYE0000001"}, {"isrc": ""}),
    ],
    ids=lambda value: str(value) if "genre" in str(value) else None,
)
def test_a_song_that_comes_to_match_is_created_and_one_that_does_no_more_is_deleted(
    editor: Caller, selected: dict[str, Any], matching: dict[str, Any], other: dict[str, Any]
) -> None:
    artist = new_artist()
    fields = list(matching)
    with watching(editor, artist=artist, **selected) as watch:
        song = editor.create(artists=[artist], **{name: value for name, value in other.items() if value})
        for change in (matching, matching, other, other, matching):
            values = {name: value for name, value in change.items() if value}
            request = UpdateSongRequest(song=Song(id=song.id, **values), update_mask=FieldMask(paths=fields))
            editor.songs.UpdateSong(request)
        delete(editor, song.id)
        told = [watch.next().what for _ in range(5)]

    assert told == ["CREATED", "UPDATED", "DELETED", "CREATED", "DELETED"]


def test_a_song_that_never_matched_is_not_told_of_when_it_goes(editor: Caller) -> None:
    artist = new_artist()
    with watching(editor, artist=artist) as watch:
        other = editor.create()
        delete(editor, other.id)
        song = editor.create(artists=[artist])
        assert watch.next().song.id == song.id


def test_who_was_away_catches_up_without_a_gap_in_the_order_of_changes(editor: Caller, listener: Caller) -> None:
    artist = new_artist()
    with watching(listener, artist=artist) as watch:
        first = editor.create("First", artists=[artist])
        token = watch.next().token
    missed = create_many(editor, artist, 700)
    delete(editor, first.id)
    with watching(listener, token, artist=artist) as watch:
        live = editor.create("Live", artists=[artist])
        told = watch.until(live.id)

    assert [change.what for change in told] == ["CREATED"] * 700 + ["DELETED", "CREATED"]
    assert {change.song.id for change in told[:700]} == set(missed)
    assert told[700].song.id == first.id


def test_each_token_goes_on_after_its_own_change(editor: Caller) -> None:
    """Also within the changes of one transaction."""
    artist = new_artist()
    with watching(editor, artist=artist) as watch:
        ids = create_many(editor, artist, 3)
        told = [watch.next() for _ in ids]
    for place, change in enumerate(told):
        with watching(editor, change.token, artist=artist) as watch:
            last = editor.create(f"Last {place}", artists=[artist])
            assert [again.song.id for again in watch.until(last.id)][: 2 - place] == ids[place + 1 :]


def test_a_heartbeats_token_goes_on_from_there(editor: Caller) -> None:
    artist = new_artist()
    with watching(editor, artist=artist) as watch:
        token = watch.token
    song = editor.create(artists=[artist])
    with watching(editor, token, artist=artist) as watch:
        assert watch.any().what == "HEARTBEAT"
        assert watch.any()[:2] == ("CREATED", song)


@in_process
def test_a_quiet_watch_hears_that_all_is_well(editor: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "HEARTBEAT", 0.2)
    artist = new_artist()
    with watching(editor, artist=artist) as watch:
        before = watch.token
        other = editor.create()
        for _ in range(10):
            if (token := watch.any(5).token) != before:
                break
    assert token != before, "it goes on with what did not match"
    delete(editor, other.id)


@in_process
def test_who_does_not_keep_up_loses_nothing(
    server: SongServer, editor: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client takes nothing while more changes come than wait for it, and are on their way in gRPC's buffers."""
    behind = []
    tell_missed = watching_module.Watching._tell_missed

    def noted(self: Any, feed: Any, watcher: Any) -> Any:
        behind.append(watcher.position)
        return tell_missed(self, feed, watcher)

    monkeypatch.setattr(watching_module.Watching, "_tell_missed", noted)
    artist = new_artist()
    # With buffers that do not grow: else all of it may be on its way.
    channel = grpc.insecure_channel(
        server.address, [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
    )
    watcher = Caller(channel, editor.session)
    call = watcher.songs.WatchSongs(WatchSongsRequest(filter=SongFilter(artist=artist)))
    next(call)
    count = MOST_WAITING * 4
    tags = [f"tag {number} {'x' * 100}" for number in range(50)]
    ids = []
    for start in range(0, count, 256):
        items = [
            ImportItem(song=Song(title=f"Song {number}", artists=[artist], tags=tags))
            for number in range(start, start + 256)
        ]
        (answer,) = editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)]))
        ids += [result.song_id for result in answer.results]
        time.sleep(0.2)
    told: list[str] = []
    for response in call:
        if response.song.id:
            told.append(response.song.id)
        if len(told) == count:
            break
    channel.close()

    assert sorted(told) == sorted(ids)
    assert len(behind) > 1, "it has never been behind"


def test_tokens_are_bound_to_their_filter_and_to_this_server(editor: Caller) -> None:
    with watching(editor, artist="One") as watch:
        token = watch.token
    # Not the last letter: not all of its bits count.
    forged = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    for request in (
        WatchSongsRequest(resume_token="made up"),
        WatchSongsRequest(resume_token=token),
        WatchSongsRequest(resume_token=token, filter=SongFilter(artist="Two")),
        WatchSongsRequest(resume_token=forged, filter=SongFilter(artist="One")),
        WatchSongsRequest(filter=SongFilter(year_from=5)),
    ):
        refused = failure(editor.songs.WatchSongs, request)
        assert refused.code == "INVALID_DATA_FORMAT"
        assert refused.fields in (["resume_token"], ["filter.year_from"])


@in_process
def test_a_watch_ends_with_its_session(server: SongServer, editor: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "HEARTBEAT", 0.2)
    leaving = Caller.new(server, PRIVILEGE_LISTENER)
    with watching(leaving) as watch:
        leaving.users.SignOut(SignOutRequest())
        assert watch.end(5).code == "SIGN_IN_FAILURE"


def test_a_watch_tells_nothing_more_once_its_session_is_over(server: SongServer, editor: Caller) -> None:
    leaving = Caller.new(server, PRIVILEGE_LISTENER)
    artist = new_artist()
    with watching(leaving, artist=artist) as watch:
        leaving.users.SignOut(SignOutRequest())
        editor.create(artists=[artist])
        assert watch.end().code == "SIGN_IN_FAILURE"
