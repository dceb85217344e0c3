"""What is sure without the validator: nothing that the validator would refuse, and nearly all that people send."""

import uuid
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import GetSongRequest, ImportItem
from songserver import rules
from songserver.errors import InvalidRequest
from songserver.rules import Rules

RULES = Rules()
SIGNS = st.sampled_from(["\n", "\x7f", "\x85", "\u0301", "\u200b", "é", "a", " "])
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | SIGNS, max_size=12)
LONG = st.builds(
    lambda begin, letter, count: begin + letter * count, TEXT, st.sampled_from("aé\u0301語"), st.integers(0, 520)
)
TEXTS = st.lists(TEXT | LONG, max_size=3) | st.lists(st.just("x"), min_size=49, max_size=51)
DATES = st.builds(Date, year=st.integers(999, 2101), month=st.integers(-1, 13), day=st.integers(-1, 32))
DURATIONS = st.builds(
    Duration, seconds=st.sampled_from([-1, 0, 1, 86_399, 86_400]), nanos=st.sampled_from([-1, 0, 1, 10**9])
)
SONGS = st.builds(
    Song,
    title=TEXT | LONG,
    artists=TEXTS,
    album=TEXT | LONG,
    album_artists=TEXTS,
    track_number=st.integers(-1, 10_000),
    genres=TEXTS,
    release_date=st.none() | DATES,
    duration=st.none() | DURATIONS,
    isrc=TEXT | st.from_regex(r"[A-Za-z]{2}-?[A-Z0-9]{3}-?[0-9]{7}[\n ]?", fullmatch=True),
    language=TEXT | st.from_regex(r"[a-z]{1,9}(-[A-Z]{1,9})?\n?", fullmatch=True),
    bpm=st.floats(),
    tags=TEXTS,
    external_ids=st.dictionaries(TEXT | st.from_regex(r"[a-z][a-z0-9_-]{0,65}\n?", fullmatch=True), TEXT, max_size=3),
    lyrics=TEXT | LONG,
    popularity=st.integers(-1, 2**31 - 1),
    etag=st.sampled_from(["", "1", "x" * 64, "x" * 65]),
)  # fmt: skip


def is_sure(item: ImportItem) -> bool:
    """Whether the validator is not asked."""
    try:
        RULES.check(item)
    except InvalidRequest:
        return False
    return rules._canonicalize(item, RULES._plans["songs.v1.ImportItem"], "")


@given(st.builds(ImportItem, song=st.none() | SONGS, request_id=TEXT | st.just("a.b:c-d_1")))
def test_what_is_sure_the_validator_finds_good(item: ImportItem) -> None:
    RULES.check(ImportItem(song=Song(title="A", artists=["B"])))
    try:
        sure = rules._canonicalize(item, RULES._plans["songs.v1.ImportItem"], "")
    except InvalidRequest:
        return
    assert not (sure and RULES._validator.collect_violations(item))


HEX = r"[0-9a-fA-Fg]"
IDS = TEXT | st.uuids().map(str) | st.from_regex(rf"{HEX}{{8}}(-{HEX}{{4}}){{3}}-{HEX}{{11,13}}\n?", fullmatch=True)


@given(st.builds(GetSongRequest, id=IDS))
def test_ids_that_are_sure_the_validator_finds_good(request: GetSongRequest) -> None:
    RULES.check(GetSongRequest(id=str(uuid.uuid4())))
    sure = rules._canonicalize(request, RULES._plans["songs.v1.GetSongRequest"], "")
    assert sure is not bool(RULES._validator.collect_violations(request))


PLAIN: dict[str, Any] = {"title": "Orange Horizon (Live)", "artists": ["The Harbour Lights", "Zoë Änderström"]}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"title": "夜に駆ける"},
        {"album": "An Album", "album_artists": ["Ann"], "track_number": 3, "disc_number": 1, "popularity": 9},
        {"release_date": Date(year=2004, month=2, day=29), "duration": Duration(seconds=205, nanos=500_000_000)},
        {"isrc": "us-rc1-76-07839", "language": "pt-BR", "label": "Dewtone", "bpm": 128.5, "explicit": False},
        {"genres": ["Rock", "R&B"], "tags": ["live"], "external_ids": {"musicbrainz": "b10bbbfc-cf9e"}},
        {"lyrics": "La la\n\tla"},
    ],
    ids=range(7),
)
def test_what_people_send_is_sure(fields: dict[str, Any]) -> None:
    assert is_sure(ImportItem(song=Song(**{**PLAIN, **fields}), request_id="row-1"))


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "\u0301" * 30 + "x"},
        {"title": "a\u00a0b"},
        {"lyrics": "é" * 31},
        {"title": ""},
        {"artists": []},
        {"release_date": Date(year=2005, month=2, day=29)},
        {"external_ids": {"A": "x"}},
        {"external_ids": {"a": ""}},
        {"bpm": float("nan")},
    ],
    ids=range(9),
)
def test_what_is_not_plain_is_not_sure(fields: dict[str, Any]) -> None:
    assert not is_sure(ImportItem(song=Song(**{**PLAIN, **fields})))


def test_dates_are_remembered_once_they_were_found_good() -> None:
    own = Rules()
    item = ImportItem(song=Song(**PLAIN, release_date=Date(year=1999)))
    own.check(item)
    plan = own._plans["songs.v1.ImportItem"]

    assert rules._canonicalize(item, plan, "")
    assert not rules._canonicalize(ImportItem(song=Song(**PLAIN, release_date=Date(year=1998))), plan, "")
    for year in range(1000, 2101):
        for month in range(1, 13):
            own.check(ImportItem(song=Song(**PLAIN, release_date=Date(year=year, month=month))))
    remembered = plan.fields["song"].inner
    assert remembered
    assert len(remembered.fields["release_date"].sure._good) <= 10_000  # type: ignore[attr-defined]
