"""Text of all the world, and text that would be code: it comes back as it went in, and does nothing else."""

import secrets
import unicodedata
from typing import Any

import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR
from songs.v1.song_pb2 import SONG_ORDER_TITLE, Song, SongFilter
from songs.v1.song_service_pb2 import (
    CreateSongRequest,
    DeleteSongRequest,
    GetSongRequest,
    ListSongsRequest,
    SearchSongsRequest,
    UpdateSongRequest,
)
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import GetUserRequest, SignInRequest, UpdateMeRequest
from songserver.testing import SongServer
from tests.conftest import Caller, failure

HOSTILE = [
    "$where",
    "$ne",
    '{"$gt": ""}',
    "{$where: 'sleep(1000)'}",
    "'; return true; //",
    "a.b.c",
    ".",
    "$",
    "..",
    "$$ROOT",
    "_id",
    "title.$[]",
    "__proto__",
    "%00",
    "\\",
    "\\u0000",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "{0.__class__}",
    "%s%n",
    "../../etc/passwd",
    ".*",
    "^(a+)+$",
    "null",
    "true",
    "NaN",
    "-1",
    "1e999",
]
WORLDWIDE = [
    "夜に駆ける",
    "한국어 노래",
    "Калинка",
    "أغنية",
    "שיר",
    "เพลง",
    "गीत",
    "Ἀοιδή",
    "\U0001f3b5\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\U00020000",
    "\u202eright to left\u202c",
    "\u2066isolated\u2069",
    "az\u0300\u0301\u0302",
    "Z\u0351\u036b\u0343\u036a\u0302A\u0334\u0335\u031c\u0330L\u0320\u0368G\u0334\u033bO\u0328\u0335",
    "İstanbul ıI",
    "ﬁ ﬀ Ⅷ ① ㎏",
    "\ufeffmark",
    "soft\u00adhyphen",
    "zero\u200bwidth",
    "\ue000private",
    "\uffff\U0010ffff",
]


def every_field(text: str) -> dict[str, Any]:
    """Every field of a song that takes any text, with this one."""
    return {
        "artists": [text, secrets.token_hex(8)],
        "album": text,
        "album_artists": [text],
        "genres": [text],
        "label": text,
        "tags": [text],
        "external_ids": {"a": text},
        "lyrics": text,
    }


@pytest.mark.parametrize("text", HOSTILE + WORLDWIDE, ids=ascii)
def test_any_text_comes_back_and_is_found_as_it_is(editor: Caller, text: str) -> None:
    others = [editor.create(other, album=secrets.token_hex(4)) for other in ("One", "Two")]

    song = editor.create(text, **every_field(text))

    canonical = song.title
    assert canonical == unicodedata.normalize("NFC", text)
    fields = every_field(canonical)
    fields.pop("artists")
    assert Song(**{name: getattr(song, name) for name in fields}) == Song(**{**fields, "external_ids": {"a": text}})
    assert editor.get(song.id) == song
    for selected in (SongFilter(artist=text), SongFilter(album=text), SongFilter(genre=text)):
        selected.created_by = song.created_by
        listed = editor.songs.ListSongs(ListSongsRequest(filter=selected, order_by=SONG_ORDER_TITLE))
        assert [found.id for found in listed.songs] == [song.id]
    assert [editor.get(other.id) for other in others] == others
    assert failure(editor.songs.CreateSong, CreateSongRequest(song=song)).info.metadata["song_id"] == song.id


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_text_that_would_be_code_selects_nothing_and_changes_nothing(server: SongServer, text: str) -> None:
    editor, admin = Caller.new(server, PRIVILEGE_EDITOR), Caller.new(server, PRIVILEGE_ADMIN)
    song = editor.create("Plain")
    mine = SongFilter(created_by=song.created_by)

    for name in ("artist", "album", "genre"):
        selected = SongFilter()
        selected.CopyFrom(mine)
        setattr(selected, name, text)
        assert list(editor.songs.ListSongs(ListSongsRequest(filter=selected)).songs) == []
    for call, request, code in (
        (editor.songs.GetSong, GetSongRequest(id=text), "INVALID_DATA_FORMAT"),
        (editor.songs.DeleteSong, DeleteSongRequest(id=text), "INVALID_DATA_FORMAT"),
        (editor.songs.DeleteSong, DeleteSongRequest(id=song.id, etag=text), "STALE_ETAG"),
        (editor.songs.UpdateSong, UpdateSongRequest(song=Song(id=song.id, etag=text, label="L")), "STALE_ETAG"),
        (editor.songs.ListSongs, ListSongsRequest(filter=SongFilter(isrc=text)), "INVALID_DATA_FORMAT"),
        (editor.songs.ListSongs, ListSongsRequest(filter=SongFilter(created_by=text)), "INVALID_DATA_FORMAT"),
        (editor.songs.ListSongs, ListSongsRequest(page_token=text), "INVALID_DATA_FORMAT"),
        (admin.users.GetUser, GetUserRequest(user_id=text), "USER_PARSE_ERROR"),
        (admin.users.GetUser, GetUserRequest(username=text), "USER_NOT_FOUND"),
        (editor.users.SignIn, SignInRequest(username=text, password=text), "SIGN_IN_FAILURE"),
    ):
        assert failure(call, request).code == code, request
    search = failure_or_none(editor, text)
    assert search in {None, "INVALID_DATA_FORMAT"}
    assert editor.get(song.id) == song


def failure_or_none(caller: Caller, query: str) -> str | None:
    """Searches; gives the code of the refusal, if any."""
    if any(letter.isalnum() for letter in query):
        caller.songs.SearchSongs(SearchSongsRequest(query=query))
        return None
    return failure(caller.songs.SearchSongs, SearchSongsRequest(query=query)).code


@pytest.mark.parametrize("name", ["$where", "a.b", "", "A", "é", "a\x00", "a" * 65, "9a", "__proto__", "_id", "a\n"])
def test_names_of_external_ids_are_plain(editor: Caller, name: str) -> None:
    song = Song(title="A", artists=["A"], external_ids={name: "x"})

    refused = failure(editor.songs.CreateSong, CreateSongRequest(song=song))

    assert (refused.code, refused.fields) == ("INVALID_SONG_DETAILS", [f'song.external_ids["{name}"]'])


@pytest.mark.parametrize("letter", ["\x00", "\x01", "\n", "\x1f", "\x7f"], ids=ascii)
def test_control_characters_are_refused_with_every_field_that_has_one(editor: Caller, letter: str) -> None:
    text = f"a{letter}b"
    fields = every_field(text)
    fields.pop("lyrics")

    refused = failure(editor.songs.CreateSong, CreateSongRequest(song=Song(title=text, **fields)))

    assert refused.code == "INVALID_SONG_DETAILS"
    assert sorted(refused.fields) == sorted(
        [
            "song.title",
            "song.artists[0]",
            "song.album",
            "song.album_artists[0]",
            "song.genres[0]",
            "song.label",
            "song.tags[0]",
            'song.external_ids["a"]',
        ]
    )
    assert "control characters" in refused.message


def test_lyrics_may_have_any_character(editor: Caller) -> None:
    lyrics = "a\x00b\r\n\tc\x7f\U0010ffff"

    assert editor.get(editor.create(lyrics=lyrics).id).lyrics == lyrics


@pytest.mark.parametrize("text", HOSTILE + WORLDWIDE, ids=ascii)
def test_a_display_name_comes_back_as_it_went_in(listener: Caller, text: str) -> None:
    listener.users.UpdateMe(UpdateMeRequest(user=User(display_name=text)))

    assert listener.me().display_name == unicodedata.normalize("NFC", text)
