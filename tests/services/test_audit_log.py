"""The audit log as admins see it: each method that the contract calls `audited` is in it, or has not happened."""

import queue
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest

from songs.v1 import access_pb2
from songs.v1.access_pb2 import (
    PRIVILEGE_ADMIN,
    PRIVILEGE_EDITOR,
    PRIVILEGE_LISTENER,
    SCOPE_AUDIT_READ,
    SCOPE_SONGS_WRITE,
)
from songs.v1.api_key_service_pb2 import CreateApiKeyRequest, RevokeApiKeyRequest
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest
from songs.v1.song_bulk_pb2 import (
    BatchCreateSongsRequest,
    DeleteSongsRequest,
    NewSongItem,
    UpdateSongsRequest,
)
from songs.v1.song_duplicates_pb2 import MergeSongsRequest
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import DeleteSongRequest, ImportItem, ImportSongsRequest
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2 import (
    ChangePasswordRequest,
    DeleteMeRequest,
    DeleteUserRequest,
    DisableUserRequest,
    EnableUserRequest,
    SetPrivilegeRequest,
)
from songserver.app import METHODS
from songserver.config import Settings
from songserver.testing import PASSWORD, SongServer, running_server
from tests.conftest import Caller, failure, in_process, lasting_server

NEW_PASSWORD = "battery staple horse"


@dataclass
class World:
    """A server of the test's own, an admin, and somebody to whom things are done."""

    server: SongServer
    admin: Caller

    def events(self, **selected: Any) -> list[AuditEvent]:
        request = ListAuditEventsRequest(filter=AuditFilter(**selected), page_size=1000)
        return list(self.admin.audit.ListAuditEvents(request).events)

    @property
    def database(self) -> Any:
        assert self.server.settings.mongodb_uri
        client: Any = pymongo.MongoClient(self.server.settings.mongodb_uri.get_secret_value())
        return client[self.server.settings.mongodb_database]

    @contextmanager
    def without_audit(self) -> Iterator[None]:
        """MongoDB takes no more entries of the audit log."""
        with self.database.client as client:
            database = client[self.server.settings.mongodb_database]
            database.command("collMod", "audit", validator={"action": "nothing has this action"})
            try:
                yield
            finally:
                database.command("collMod", "audit", validator={})

    def everything(self) -> dict[str, list[Any]]:
        """What is kept, but for what comes of asking at all."""
        with self.database.client as client:
            database = client[self.server.settings.mongodb_database]
            # (How many songs have a word is told later.)
            names = set(database.list_collection_names()) - {"sign_in_attempts", "vocabulary"}
            return {name: list(database[name].find().sort("_id", 1)) for name in names}


@pytest.fixture(scope="module")
def world(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("audit")) as server:
        yield World(server, Caller.new(server, PRIVILEGE_ADMIN))


@dataclass
class Case:
    """A call, by whom it is made, and to what it is done."""

    caller: Caller
    call: Callable[..., Any]
    request: Any
    target_id: str


def change_password(world: World, editor: Caller) -> Case:
    request = ChangePasswordRequest(current_password=PASSWORD, new_password=NEW_PASSWORD)
    return Case(editor, editor.users.ChangePassword, request, editor.me().id)


def delete_me(world: World, editor: Caller) -> Case:
    return Case(editor, editor.users.DeleteMe, DeleteMeRequest(password=PASSWORD), editor.me().id)


def set_privilege(world: World, editor: Caller) -> Case:
    user_id = editor.me().id
    request = SetPrivilegeRequest(user_id=user_id, privilege=PRIVILEGE_LISTENER)
    return Case(world.admin, world.admin.users.SetPrivilege, request, user_id)


def disable_user(world: World, editor: Caller) -> Case:
    user_id = editor.me().id
    return Case(world.admin, world.admin.users.DisableUser, DisableUserRequest(user_id=user_id), user_id)


def enable_user(world: World, editor: Caller) -> Case:
    user_id = editor.me().id
    world.admin.users.DisableUser(DisableUserRequest(user_id=user_id))
    return Case(world.admin, world.admin.users.EnableUser, EnableUserRequest(user_id=user_id), user_id)


def delete_user(world: World, editor: Caller) -> Case:
    user_id = editor.me().id
    return Case(world.admin, world.admin.users.DeleteUser, DeleteUserRequest(user_id=user_id), user_id)


def api_key_request() -> CreateApiKeyRequest:
    request = CreateApiKeyRequest(name="robot", privilege=PRIVILEGE_EDITOR, scopes=[SCOPE_SONGS_WRITE])
    request.expire_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    return request


def create_api_key(world: World, editor: Caller) -> Case:
    return Case(editor, editor.api_keys.CreateApiKey, api_key_request(), "")


def revoke_api_key(world: World, editor: Caller) -> Case:
    made = editor.api_keys.CreateApiKey(api_key_request()).api_key
    return Case(editor, editor.api_keys.RevokeApiKey, RevokeApiKeyRequest(api_key_id=made.id), made.id)


def delete_song(world: World, editor: Caller) -> Case:
    song = editor.create()
    return Case(editor, editor.songs.DeleteSong, DeleteSongRequest(id=song.id), song.id)


def import_songs(world: World, editor: Caller) -> Case:
    items = [ImportItem(song=Song(title="A Song", artists=[secrets.token_hex(6)]))]
    call = editor.songs.ImportSongs
    return Case(
        editor, lambda requests, **options: list(call(iter(requests), **options)), [ImportSongsRequest(items=items)], ""
    )


def batch_create_songs(world: World, editor: Caller) -> Case:
    items = [NewSongItem(song=Song(title="A Song", artists=[secrets.token_hex(6)]))]
    return Case(editor, editor.songs.BatchCreateSongs, BatchCreateSongsRequest(items=items), "")


def update_songs(world: World, editor: Caller) -> Case:
    song = editor.create()
    request = UpdateSongsRequest(filter=SongFilter(artist=song.artists[0]), song=Song(label="L"))
    request.update_mask.paths.append("label")
    return Case(editor, editor.songs.UpdateSongs, request, "")


def delete_songs(world: World, editor: Caller) -> Case:
    song = editor.create()
    return Case(editor, editor.songs.DeleteSongs, DeleteSongsRequest(filter=SongFilter(artist=song.artists[0])), "")


def merge_songs(world: World, editor: Caller) -> Case:
    kept, merged = editor.create(), editor.create()
    return Case(editor, editor.songs.MergeSongs, MergeSongsRequest(id=kept.id, merged_ids=[merged.id]), kept.id)


CASES: dict[str, Callable[[World, Caller], Case]] = {
    "ChangePassword": change_password,
    "DeleteMe": delete_me,
    "SetPrivilege": set_privilege,
    "DisableUser": disable_user,
    "EnableUser": enable_user,
    "DeleteUser": delete_user,
    "CreateApiKey": create_api_key,
    "RevokeApiKey": revoke_api_key,
    "DeleteSong": delete_song,
    "ImportSongs": import_songs,
    "BatchCreateSongs": batch_create_songs,
    "UpdateSongs": update_songs,
    "DeleteSongs": delete_songs,
    "MergeSongs": merge_songs,
}


def test_there_is_a_case_for_each_method_that_is_audited() -> None:
    audited = {method.name for method in METHODS if method.GetOptions().Extensions[access_pb2.audited]}

    assert audited == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_who_has_done_what_to_whom_is_recorded_before_it_is_answered(world: World, name: str) -> None:
    case = CASES[name](world, Caller.new(world.server, PRIVILEGE_EDITOR))
    actor_id = case.caller.me().id
    before = datetime.now(UTC) - timedelta(seconds=1)

    case.call(case.request)

    event = world.events(actor_id=actor_id, action=name)[0]
    assert event.time.ToDatetime(UTC) > before
    assert event.peer == "127.0.0.1"
    assert uuid.UUID(event.request_id)
    assert event.api_key_id == ""
    assert event.target_id == case.target_id or name == "CreateApiKey"
    assert PASSWORD not in str(event)
    assert NEW_PASSWORD not in str(event)


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_recorded_is_not_done(world: World, name: str) -> None:
    case = CASES[name](world, Caller.new(world.server, PRIVILEGE_EDITOR))
    case.caller.me()
    before = world.everything()

    with world.without_audit():
        refused = failure(case.call, case.request)

    assert refused.code == "DB_OPERATION_FAILURE"
    assert "audit log" in refused.message
    assert refused.retry.HasField("retry_delay")
    assert world.everything() == before
    case.call(case.request)


def test_what_an_api_key_does_is_recorded_with_its_id(world: World) -> None:
    editor = Caller.new(world.server, PRIVILEGE_EDITOR)
    song = editor.create()
    made = editor.api_keys.CreateApiKey(api_key_request())

    Caller(editor.channel, Session(access_token=made.key)).songs.DeleteSong(DeleteSongRequest(id=song.id))

    (event,) = world.events(target_id=song.id)
    assert (event.actor_id, event.api_key_id) == (editor.me().id, made.api_key.id)
    (creation,) = world.events(target_id=made.api_key.id)
    assert creation.details["privilege"] == "PRIVILEGE_EDITOR"
    assert creation.details["scopes"] == "SCOPE_SONGS_WRITE"
    assert made.key not in str(creation)


def test_an_import_is_recorded_at_its_beginning_and_with_its_counts_at_its_end(world: World) -> None:
    editor = Caller.new(world.server, PRIVILEGE_EDITOR)
    songs = [Song(title="A", artists=["The Same"]), Song(title="A", artists=["The Same"]), Song()]
    message = ImportSongsRequest(items=[ImportItem(song=song) for song in songs])

    list(editor.songs.ImportSongs(iter([message])))

    ended, begun = world.events(actor_id=editor.me().id, action="ImportSongs")
    assert begun.details == {"phase": "begun"}
    assert ended.details == {"phase": "ended", "SUCCESS": "1", "SONG_EXISTS": "1", "INVALID_SONG_DETAILS": "1"}


@in_process
@pytest.mark.parametrize("end", ["the client goes", "the server stops"])
def test_an_import_that_is_cut_off_is_recorded_with_what_is_known_of_it(
    song_server_settings: Settings, end: str
) -> None:
    sent: queue.Queue[ImportSongsRequest | None] = queue.Queue()
    settings = song_server_settings.model_copy(update={"shutdown_grace": 0.2})
    with running_server(settings) as server:
        editor = Caller.new(server, PRIVILEGE_EDITOR)
        call = editor.songs.ImportSongs(iter(sent.get, None))
        sent.put(ImportSongsRequest(items=[ImportItem(song=Song(title="A", artists=["A"]))]))
        assert next(call).results[0].song_id
        if end == "the client goes":
            call.cancel()
            time.sleep(0.5)
    sent.put(None)

    with running_server(song_server_settings) as again:
        ended, begun = World(again, Caller.new(again, PRIVILEGE_ADMIN)).events(action="ImportSongs")
    assert begun.details == {"phase": "begun"}
    assert ended.details == {"phase": "ended", "SUCCESS": "1"}


def test_what_is_refused_is_not_recorded(world: World) -> None:
    editor = Caller.new(world.server, PRIVILEGE_EDITOR)
    before = world.events()

    failure(editor.users.SetPrivilege, SetPrivilegeRequest(user_id=editor.me().id, privilege=PRIVILEGE_ADMIN))
    failure(editor.songs.DeleteSong, DeleteSongRequest(id=str(uuid.uuid4())))
    failure(world.admin.users.DeleteUser, DeleteUserRequest(username="nobody-at-all"))

    assert world.events() == before


def test_the_log_is_paged_the_latest_first(world: World) -> None:
    whole = world.events()
    assert [event.sequence for event in whole] == list(range(len(whole), 0, -1))

    for size in (1, 7, len(whole)):
        found: list[AuditEvent] = []
        request = ListAuditEventsRequest(page_size=size)
        while True:
            answer = world.admin.audit.ListAuditEvents(request)
            assert len(answer.events) <= size
            found += answer.events
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
        assert found == whole


def test_a_page_token_is_good_for_its_own_list_only(world: World) -> None:
    token = world.admin.audit.ListAuditEvents(ListAuditEventsRequest(page_size=1)).next_page_token

    for request in (
        ListAuditEventsRequest(page_size=1, page_token="x"),
        ListAuditEventsRequest(filter=AuditFilter(action="DeleteUser"), page_token=token),
    ):
        refused = failure(world.admin.audit.ListAuditEvents, request)
        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_token"])


def test_the_log_is_narrowed_down(world: World) -> None:
    whole = world.events()
    admin_id = world.admin.me().id

    assert world.events(actor_id=admin_id.upper()) == [event for event in whole if event.actor_id == admin_id]
    assert world.events(action="DisableUser") == [event for event in whole if event.action == "DisableUser"]
    assert world.events(action="Nothing") == []
    middle = whole[len(whole) // 2].time
    assert world.events(start_time=middle) == [
        event for event in whole if event.time.ToNanoseconds() >= middle.ToNanoseconds()
    ]
    assert world.events(end_time=middle) == [
        event for event in whole if event.time.ToNanoseconds() < middle.ToNanoseconds()
    ]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ListAuditEventsRequest(filter=AuditFilter(actor_id="me")), "filter.actor_id"),
        (ListAuditEventsRequest(filter=AuditFilter(target_id="me")), "filter.target_id"),
        (ListAuditEventsRequest(filter=AuditFilter(action="x" * 65)), "filter.action"),
        (ListAuditEventsRequest(page_size=-1), "page_size"),
    ],
)
def test_a_filter_that_is_none_is_refused(world: World, request_: ListAuditEventsRequest, field: str) -> None:
    refused = failure(world.admin.audit.ListAuditEvents, request_)

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", [field])


def test_an_api_key_may_read_the_log(world: World) -> None:
    request = CreateApiKeyRequest(name="siem", privilege=PRIVILEGE_ADMIN, scopes=[SCOPE_AUDIT_READ])
    request.expire_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    made = world.admin.api_keys.CreateApiKey(request)

    reader = Caller(world.admin.channel, Session(access_token=made.key))

    assert reader.audit.ListAuditEvents(ListAuditEventsRequest(page_size=1)).events
