"""Users read and delete all that is kept about them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo

from songs.v1.access_pb2 import PRIVILEGE_EDITOR, PRIVILEGE_LISTENER, SCOPE_SONGS_READ
from songs.v1.api_key_service_pb2 import CreateApiKeyRequest, CreateApiKeyResponse
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import (
    EXISTING_SONGS_MERGE,
    DeleteSongRequest,
    GetSongRequest,
    ImportItem,
    ImportOptions,
    ImportSongsRequest,
)
from songs.v1.user_service_pb2 import (
    DeleteMeRequest,
    ExportMeRequest,
    ExportMeResponse,
    ListSessionsRequest,
    SetPrivilegeRequest,
)
from songserver.testing import PASSWORD, SongServer
from tests.conftest import Caller


def exported(caller: Caller) -> dict[str, list[Any]]:
    """What is kept about a caller, by kind, in the order that it comes in."""
    found: dict[str, list[Any]] = {}
    for response in caller.users.ExportMe(ExportMeRequest(), timeout=20):
        kind = response.WhichOneof("item")
        assert kind
        found.setdefault(kind, []).append(getattr(response, kind))
    return found


def key_of(caller: Caller) -> CreateApiKeyResponse:
    request = CreateApiKeyRequest(name="robot", privilege=PRIVILEGE_LISTENER, scopes=[SCOPE_SONGS_READ])
    request.expire_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    return caller.api_keys.CreateApiKey(request)


def import_song(caller: Caller, import_id: str) -> None:
    """Imports a song under an id."""
    options = ImportOptions(import_id=import_id, existing=EXISTING_SONGS_MERGE)
    items = [ImportItem(song=Song(title=import_id, artists=["A"]))]
    list(caller.songs.ImportSongs(iter([ImportSongsRequest(options=options), ImportSongsRequest(items=items)])))


def test_all_that_is_kept_about_a_user_is_exported_and_nothing_of_others(
    server: SongServer, admin: Caller, editor: Caller
) -> None:
    other = Caller.new(server, PRIVILEGE_EDITOR)
    other.create()
    key_of(other)
    import_song(other, "of-other")
    me = editor.me()
    second = Caller.sign_in(server, me.username, PASSWORD)
    songs = [editor.create("One", lyrics="La la la"), second.create("Two")]
    gone = editor.create("Gone")
    editor.songs.DeleteSong(DeleteSongRequest(id=gone.id))
    import_song(editor, "my-import")
    made = key_of(editor)
    admin.users.SetPrivilege(SetPrivilegeRequest(user_id=me.id, privilege=PRIVILEGE_EDITOR))

    found = exported(editor)

    assert list(found) == ["user", "session", "api_key", "audit_event", "import_info", "song"]
    assert found["user"] == [editor.me()]
    assert found["session"] == list(editor.users.ListSessions(ListSessionsRequest()).sessions)
    assert len(found["session"]) == 2
    assert found["api_key"] == [made.api_key]
    actions = [event.action for event in found["audit_event"]]
    assert actions == ["create-user", "DeleteSong", "ImportSongs", "ImportSongs", "CreateApiKey", "SetPrivilege"]
    assert {me.id} <= {found["audit_event"][1].actor_id, found["audit_event"][5].target_id}
    (import_info,) = found["import_info"]
    assert (import_info.import_id, import_info.next_index) == ("my-import", 1)
    assert import_info.existing == EXISTING_SONGS_MERGE
    assert import_info.expire_time.ToDatetime(UTC) > datetime.now(UTC) + timedelta(days=29)
    full = [editor.songs.GetSong(GetSongRequest(id=song.id)).song for song in songs]
    assert found["song"][:2] == full
    assert [song.title for song in found["song"][2:]] == ["my-import"]
    assert full[0].lyrics == "La la la"


def test_no_secret_is_exported(editor: Caller) -> None:
    made = key_of(editor)

    whole = b"".join(response.SerializeToString() for response in editor.users.ExportMe(ExportMeRequest(), timeout=20))

    for secret in (made.key, editor.session.access_token, editor.session.refresh_token, PASSWORD, "$argon2"):
        assert secret.encode() not in whole


def test_many_songs_are_exported_as_they_are_read(editor: Caller) -> None:
    made = {editor.create(f"Song {number}").id for number in range(70)}

    first, *others = editor.users.ExportMe(ExportMeRequest(), timeout=20)

    assert first == ExportMeResponse(user=editor.me())
    assert {response.song.id for response in others if response.HasField("song")} == made


def test_after_delete_me_only_the_id_is_left(server: SongServer, editor: Caller) -> None:
    me, song = editor.me(), editor.create()
    key_of(editor)
    import_song(editor, "my-import")

    editor.users.DeleteMe(DeleteMeRequest(password=PASSWORD))

    assert server.settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](server.settings.mongodb_uri.get_secret_value()) as client:
        database = client[server.settings.mongodb_database]
        for name in database.list_collection_names():
            kept = [document for document in database[name].find() if me.id in str(document)]
            assert not kept or name in {"songs", "audit"}, name
            # The name is nowhere.
            assert not [document for document in database[name].find() if me.username in str(document)], name
    assert Caller.new(server, PRIVILEGE_LISTENER).get(song.id).created_by == me.id
