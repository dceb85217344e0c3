"""The contract's rules: canonical forms, all violations, and the code that each answers."""

import calendar
import time
from collections.abc import Iterable
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from songs.v1 import reading_pb2, song_pb2, song_service_pb2, user_pb2, user_service_pb2
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import (
    BatchGetSongsRequest,
    CreateSongRequest,
    GetSongRequest,
    ImportItem,
    ImportSongsRequest,
    ListSongsRequest,
    UpdateSongRequest,
)
from songs.v1.status_pb2 import StatusCode
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import GetUserRequest, SetPrivilegeRequest, SignInRequest, SignUpRequest, UpdateMeRequest
from songserver.errors import InvalidRequest
from songserver.rules import Rules
from songserver.text import canonical

RULES = Rules()
NOBODY = "00000000-0000-4000-8000-000000000000"


def broken(message: Message, at: str = "") -> tuple[str, list[str]]:
    """The code and the fields of what a message breaks."""
    with pytest.raises(InvalidRequest) as caught:
        RULES.check(message, at)
    assert all(violation.description for violation in caught.value.violations)
    return StatusCode.Name(caught.value.code), [violation.field for violation in caught.value.violations]


def song(**fields: Any) -> Song:
    return Song(**{"title": "A", "artists": ["B"], **fields})


CASES: list[tuple[Message, str, list[str]]] = [
    (CreateSongRequest(), "INVALID_SONG_DETAILS", ["song"]),
    (CreateSongRequest(song=song(title="")), "INVALID_SONG_DETAILS", ["song.title"]),
    (
        CreateSongRequest(song=song(artists=["", "B", ""])),
        "INVALID_SONG_DETAILS",
        ["song.artists[0]", "song.artists[2]"],
    ),
    (CreateSongRequest(song=song(track_number=-1)), "INVALID_SONG_DETAILS", ["song.track_number"]),
    (CreateSongRequest(song=song(popularity=-1)), "INVALID_SONG_DETAILS", ["song.popularity"]),
    (
        CreateSongRequest(song=song(external_ids={"a.b": "x"})),
        "INVALID_SONG_DETAILS",
        ['song.external_ids["a.b"]'],
    ),
    (CreateSongRequest(song=song(release_date={"year": 1})), "INVALID_SONG_DETAILS", ["song.release_date"]),
    (CreateSongRequest(song=song(), request_id="a b"), "INVALID_DATA_FORMAT", ["request_id"]),
    (GetSongRequest(), "INVALID_DATA_FORMAT", ["id"]),
    (BatchGetSongsRequest(), "INVALID_DATA_FORMAT", ["ids"]),
    (UpdateSongRequest(), "INVALID_DATA_FORMAT", ["song.id"]),
    (ListSongsRequest(page_size=-1), "INVALID_DATA_FORMAT", ["page_size"]),
    (ListSongsRequest(page_number=0), "INVALID_PAGE_NUMBER", ["page_number"]),
    (ListSongsRequest(filter=SongFilter(year_from=7)), "INVALID_DATA_FORMAT", ["filter.year_from"]),
    (ListSongsRequest(filter=SongFilter(year_from=2001, year_to=2000)), "INVALID_DATA_FORMAT", ["filter.year_to"]),
    (ImportItem(), "REQUEST_PARSE_ERROR", ["song"]),
    (ImportSongsRequest(items=[ImportItem()] * 1001), "INVALID_DATA_FORMAT", ["items"]),
    (SignUpRequest(username="a", password="12345678"), "INVALID_USER_DETAILS", ["username"]),
    (SignInRequest(password="x"), "USER_PARSE_ERROR", ["username"]),
    (GetUserRequest(), "USER_PARSE_ERROR", ["user"]),
    (GetUserRequest(user_id="x"), "USER_PARSE_ERROR", ["user_id"]),
    (SetPrivilegeRequest(user_id=NOBODY), "INVALID_USER_DETAILS", ["privilege"]),
]


@pytest.mark.parametrize(("message", "code", "fields"), CASES)
def test_a_broken_rule_answers_the_code_of_its_field(message: Message, code: str, fields: list[str]) -> None:
    assert broken(message) == (code, fields)


def test_all_broken_rules_are_told_and_the_first_gives_the_code() -> None:
    both = CreateSongRequest(song=song(title="", bpm=-1), request_id="a b")

    code, fields = broken(both)

    assert (code, sorted(fields)) == ("INVALID_SONG_DETAILS", ["request_id", "song.bpm", "song.title"])


def test_the_message_names_the_first_three_and_how_many_more() -> None:
    with pytest.raises(InvalidRequest) as caught:
        RULES.check(song(tags=["", "", "", "", ""]))

    assert caught.value.message.startswith("tags[0] must")
    assert caught.value.message.endswith("; and 2 more")


def test_a_message_in_another_is_told_with_its_place() -> None:
    assert broken(song(title="", artists=[""]), at="song")[1] == ["song.title", "song.artists[0]"]
    assert broken(User(username="a"), at="user") == ("INVALID_USER_DETAILS", ["user.username"])


def test_what_is_to_be_checked_later_is_left_as_it_is() -> None:
    items = ImportSongsRequest(items=[ImportItem(song=Song(title=" e\u0301 ", bpm=-1))])
    update = UpdateSongRequest(song=Song(id=NOBODY, title=" e\u0301 ", bpm=-1))
    me = UpdateMeRequest(user=User(display_name=" e\u0301 ", username="?"))
    for message in (items, update, me):
        before = message.SerializeToString()
        RULES.check(message)
        assert message.SerializeToString() == before


def test_too_many_items_are_refused_before_each_of_them_is_looked_at() -> None:
    """A request of 4 MB once had a million violations."""
    started = time.monotonic()
    for many, field in (
        (CreateSongRequest(song=song(tags=[""] * 1_000_000)), "song.tags"),
        (
            CreateSongRequest(song=song(external_ids={str(number): "" for number in range(100_000)})),
            "song.external_ids",
        ),
    ):
        assert broken(many) == ("INVALID_SONG_DETAILS", [field])
    assert time.monotonic() - started < 5


def test_no_language_has_31_marks_on_one_letter() -> None:
    RULES.check(song(title="e" + "\u0301" * 30))

    for field, fields in (("title", {"title": "e" + "\u0301" * 31}), ("lyrics", {"lyrics": "la e" + "\u0301" * 31})):
        assert broken(song(**fields)) == ("INVALID_SONG_DETAILS", [field])


TEXT = st.text(max_size=20)


@given(st.builds(Song, title=TEXT, artists=st.lists(TEXT, max_size=5), album=TEXT, genres=st.lists(TEXT, max_size=5)))
def test_a_song_is_in_canonical_form_whether_it_keeps_the_rules_or_not(drawn: Song) -> None:
    def texts(of: Song) -> Iterable[str]:
        return (of.title, of.album, *of.artists, *of.genres)

    before = list(texts(drawn))
    try:
        RULES.check(drawn)
    except InvalidRequest as error:
        fields = {violation.field for violation in error.violations}
    else:
        fields = set()

    assert list(texts(drawn)) == [canonical(text) for text in before]
    has_control = any(ord(letter) < 32 or ord(letter) == 127 for letter in drawn.title)
    assert ("title" in fields) == (not drawn.title or has_control)
    assert ("artists" in fields) == (not drawn.artists)


@given(st.integers(0, 2200), st.integers(-1, 14), st.integers(-1, 33))
def test_a_date_is_one_of_the_calendar_or_a_part_of_one(year: int, month: int, day: int) -> None:
    right = 1000 <= year <= 2100 and (
        (month == 0 and day == 0) or (1 <= month <= 12 and 0 <= day <= (calendar.monthrange(year, month)[1]))
    )
    drawn = song(release_date={"year": year, "month": month, "day": day})

    if right:
        RULES.check(drawn)
    else:
        code, fields = broken(drawn)
        assert (code, set(fields)) == ("INVALID_SONG_DETAILS", {"release_date"})


@given(
    st.from_regex(r"[A-Za-z]{2}[-\s]?[A-Za-z0-9]{3}[-\s]?[0-9]{2}[-\s]?[0-9]{5}", fullmatch=True).filter(str.isascii)
)
def test_any_way_to_write_an_isrc_is_taken(text: str) -> None:
    drawn = song(isrc=text)

    RULES.check(drawn)

    assert len(drawn.isrc) == 12
    assert drawn.isrc.isupper() or drawn.isrc[5:].isdigit()


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        (CreateSongRequest(song=Song(title="x", artists=[""] * 200_000)), "INVALID_SONG_DETAILS", "song.artists"),
        (
            CreateSongRequest(song=Song(title="x", artists=["y"], external_ids={str(n): "" for n in range(50_000)})),
            "INVALID_SONG_DETAILS",
            "song.external_ids",
        ),
        (BatchGetSongsRequest(ids=["x"] * 500_000), "INVALID_DATA_FORMAT", "ids"),
        (ImportSongsRequest(items=[ImportItem()] * 100_000), "INVALID_DATA_FORMAT", "items"),
        (SignUpRequest(username="a" + "\u0301" * 500_000 + "\u0327" * 500_000), "INVALID_USER_DETAILS", "username"),
        (SignInRequest(username="a" * 4_000_000), "USER_PARSE_ERROR", "username"),
        (Song(title="x", artists=["y", "z" * 4_000_000]), "INVALID_SONG_DETAILS", "artists[1]"),
        (ListSongsRequest(filter=SongFilter(artist="x" * 4_000_000)), "INVALID_DATA_FORMAT", "filter.artist"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_far_too_much_is_refused_before_it_costs_time(message: Message, code: str, field: str) -> None:
    # Canonical order of n marks takes n * n steps, and each bad item a violation: seconds, if they were looked at.
    started = time.process_time()
    assert broken(message) == (code, [field])
    assert time.process_time() - started < 0.5


def test_each_text_with_a_canonical_form_has_a_length() -> None:
    for file in (song_pb2, song_service_pb2, user_pb2, user_service_pb2):
        for message in file.DESCRIPTOR.message_types_by_name.values():
            for field in message.fields:
                options = field.GetOptions()
                if options.Extensions[reading_pb2.form]:
                    rules = options.Extensions[validate_pb2.field]
                    assert rules.string.max_len or rules.repeated.items.string.max_len, field.full_name
