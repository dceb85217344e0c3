"""add, show, search, list, edit, rm."""

import json
from pathlib import Path
from typing import Any

import pytest

from songclient import Privilege, Song, SongClient
from tests.cli.conftest import TERMINAL, Songctl

EVERYTHING = {
    "--title": "Nordlicht",
    "--artist": "Zoë",
    "--album": "Winter",
    "--album-artist": "Various Artists",
    "--track": "3",
    "--disc": "1",
    "--genre": "Ambient",
    "--release-date": "1999-12-31",
    "--duration": "3:25",
    "--isrc": "us-rc1-76-07839",
    "--language": "de",
    "--label": "Dewtone",
    "--bpm": "90.5",
    "--explicit": "false",
    "--tag": "live",
    "--external-id": "musicbrainz=b10b",
    "--lyrics": "La la",
    "--popularity": "7",
}
AS_JSON = {
    "title": "Nordlicht",
    "artists": ["Zoë"],
    "album": "Winter",
    "album_artists": ["Various Artists"],
    "track_number": 3,
    "disc_number": 1,
    "genres": ["Ambient"],
    "release_date": {"year": 1999, "month": 12, "day": 31},
    "duration": "205s",
    "isrc": "USRC17607839",
    "language": "de",
    "label": "Dewtone",
    "bpm": 90.5,
    "explicit": False,
    "tags": ["live"],
    "external_ids": {"musicbrainz": "b10b"},
    "lyrics": "La la",
    "popularity": 7,
}


def add(songctl: Songctl, title: str, artist: str = "Ann", *more: str) -> Any:
    return songctl.document("add", "--title", title, "--artist", artist, *more)


def titles(songs: list[Any]) -> list[str]:
    return [song["title"] for song in songs]


def test_a_song_is_added_with_all_that_is_known_of_it(editor: Songctl) -> None:
    options = [word for option in EVERYTHING.items() for word in option]
    added = editor.document("add", *options)
    assert {name: added[name] for name in AS_JSON} == AS_JSON
    assert editor.document("show", added["id"]) == added


def test_a_song_is_shown_to_a_person(editor: Songctl) -> None:
    options = [word for option in EVERYTHING.items() for word in option]
    shown = dict(line.split("\t") for line in editor("add", *options).stdout.splitlines())
    assert shown["artists"] == "Zoë"
    assert shown["duration"] == "3:25"
    assert shown["release date"] == "1999-12-31"
    assert shown["explicit"] == "false"
    assert shown["external ids"] == "musicbrainz=b10b"
    assert shown["created"].endswith("Z")
    only = editor("add", "--title", "Bare", "--artist", "Ann").stdout
    assert [line.split("\t")[0] for line in only.splitlines()] == [
        "title",
        "artists",
        "id",
        "etag",
        "created",
        "changed",
        "created by",
    ]


def test_a_song_is_added_from_json(editor: Songctl) -> None:
    song = json.dumps({"title": "Nordlicht", "artists": ["Ann"], "duration": "205s"})
    added = editor.document("add", "--file", "-", "--artist", "Bo", "--artist", "Cy", stdin=song)
    assert (added["title"], added["artists"]) == ("Nordlicht", ["Bo", "Cy"])
    assert added["duration"] == "205s"


def test_what_is_no_song_in_json_is_not_added(editor: Songctl) -> None:
    stderr = editor.error("add", "--file", "-", stdin='{"titel": "Nordlicht"}')
    assert "is not a song in proto3 JSON" in stderr
    assert len(stderr.splitlines()) == 1


def test_adding_nothing_says_what_to_give(editor: Songctl) -> None:
    assert "--title and --artist, or --file" in editor.error("add", exit_code=2)


def test_a_song_that_is_there_is_named(editor: Songctl) -> None:
    added = add(editor, "Nordlicht")
    assert added["id"] in editor.error("add", "--title", " NORDLICHT", "--artist", "ann")


def test_the_same_request_id_adds_a_song_once(editor: Songctl) -> None:
    first = add(editor, "Nordlicht", "Ann", "--request-id", "one")
    assert add(editor, "Nordlicht", "Ann", "--request-id", "one") == first


def test_every_broken_rule_of_a_song_is_told(editor: Songctl) -> None:
    stderr = editor.error("add", "--title", "A", "--isrc", "x", "--bpm", "-1")
    assert stderr.splitlines()[0] == "songctl: 3 things are wrong:"
    fields = {line.split(":")[0].strip() for line in stderr.splitlines()[1:]}
    assert fields == {"artists", "isrc", "bpm"}
    one = editor.error("add", "--title", "A")
    assert one.startswith("songctl: artists: ")
    assert len(one.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "text", "reason"),
    [
        ("--duration", "3m", "must be seconds"),
        ("--release-date", "yesterday", "must be YYYY"),
        ("--track", "x", "must be a whole number"),
        ("--explicit", "maybe", "must be true or false"),
        ("--external-id", "musicbrainz", "must be NAME=ID"),
    ],
)
def test_an_option_that_cannot_be_read_says_why(editor: Songctl, option: str, text: str, reason: str) -> None:
    stderr = editor.error("add", "--title", "A", option, text, exit_code=2)
    assert reason in stderr
    assert option in stderr
    assert len(stderr.splitlines()) == 1


def test_who_may_not_add_is_told_so(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    stderr = songctl.error("add", "--title", "A", "--artist", "Ann")
    assert "PRIVILEGE_EDITOR" in stderr
    assert len(stderr.splitlines()) == 1


def test_editing_changes_what_is_given_and_nothing_else(editor: Songctl) -> None:
    options = [word for option in EVERYTHING.items() for word in option]
    song = editor.document("add", *options)
    changed = editor.document("edit", song["id"], "--title", "Südlicht", "--genre", "Drone", "--clear", "lyrics")
    assert changed["title"] == "Südlicht"
    assert changed["genres"] == ["Drone"]
    assert "lyrics" not in changed
    same = set(AS_JSON) - {"title", "genres", "lyrics"}
    assert {name: changed[name] for name in same} == {name: AS_JSON[name] for name in same}
    assert changed["etag"] != song["etag"]


def test_a_song_that_somebody_else_changes_meanwhile_is_not_edited(
    editor: Songctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = add(editor, "Nordlicht")
    get_song = SongClient.get_song

    def get_song_and_be_outrun(client: SongClient, song_id: str) -> Song:
        read = get_song(client, song_id)
        client.update_song(Song(id=song_id, label="Dewtone"))
        return read

    with monkeypatch.context() as outrun:
        outrun.setattr(SongClient, "get_song", get_song_and_be_outrun)
        assert "has changed" in editor.error("edit", song["id"], "--title", "Lost")
    assert editor.document("show", song["id"])["title"] == "Nordlicht"


def test_editing_nothing_or_a_field_twice_is_refused(editor: Songctl) -> None:
    assert "nothing to change" in editor.error("edit", "x", exit_code=2)
    both = editor.error("edit", "x", "--title", "A", "--clear", "title", exit_code=2)
    assert "both set and cleared: title" in both


def test_a_song_that_is_not_there_is_told(editor: Songctl) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    assert nowhere in editor.error("show", nowhere)
    assert nowhere in editor.error("edit", nowhere, "--title", "A")
    assert editor.error("show", "5").startswith("songctl: id: ")


def test_removing_asks_first(editor: Songctl) -> None:
    song = add(editor, "Nordlicht")
    stderr = editor.error("rm", song["id"], stdin="n\n")
    assert "Remove 'Nordlicht' by Ann?" in stderr
    assert "songctl: not removed" in stderr
    editor("rm", song["id"], stdin="y\n")
    editor.error("show", song["id"])


def test_songs_are_removed_at_once_with_yes(editor: Songctl) -> None:
    ids = [add(editor, title)["id"] for title in ("A", "B")]
    assert editor("rm", "--yes", *ids).output == ""
    assert editor.lines("list") == []


def test_search_finds_words_as_they_are_typed(editor: Songctl) -> None:
    add(editor, "Orange Horizon", "(Val)liam")
    add(editor, "Blue Horizon", "Zoë")
    assert titles(editor.lines("search", "orange", "hor")) == ["Orange Horizon"]
    assert titles(editor.lines("search", "ZOE")) == ["Blue Horizon"]
    assert len(editor.lines("search", "horizon", "--limit", "1")) == 1
    assert editor("search", "green").output == ""


@pytest.fixture
def shelf(editor: Songctl) -> Songctl:
    add(editor, "B", "Ann", "--album", "X", "--release-date", "2001", "--genre", "Rock")
    add(editor, "A", "Cy", "--album", "X", "--release-date", "2003", "--genre", "Pop")
    add(editor, "C", "Bo", "--album", "Y", "--release-date", "2002", "--isrc", "USRC17607839")
    return editor


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", "BAC"),
        ("--desc", "CAB"),
        ("--order title", "ABC"),
        ("--order artist", "BCA"),
        ("--order date --desc", "ACB"),
        ("--artist ann", "B"),
        ("--album x", "BA"),
        ("--genre POP", "A"),
        ("--from 2002", "AC"),
        ("--from 2002 --to 2002", "C"),
        ("--isrc us-rc1-76-07839", "C"),
        ("--created-by 00000000-0000-4000-8000-000000000000", ""),
        ("--page-size 2", "BA"),
        ("--page-size 2 --page 2", "C"),
        ("--limit 2", "BA"),
        ("--all", "BAC"),
        ("--all --desc", "CAB"),
        ("--all --page-size 1 --album x", "BA"),
    ],
)
def test_songs_are_listed(shelf: Songctl, options: str, found: str) -> None:
    assert titles(shelf.lines("list", *options.split())) == list(found)


def test_a_page_that_is_not_there_is_an_error(shelf: Songctl) -> None:
    for page in ("0", "2"):
        assert len(shelf.error("list", "--page", page).splitlines()) == 1
    assert "exclude each other" in shelf.error("list", "--page", "2", "--all", exit_code=2)


def test_a_list_is_lines_of_texts_between_tabs_in_a_pipe(shelf: Songctl) -> None:
    result = shelf("list", "--order", "title")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:5] for row in rows] == [
        ["A", "Cy", "X", "2003", ""],
        ["B", "Ann", "X", "2001", ""],
        ["C", "Bo", "Y", "2002", ""],
    ]
    assert result.stderr == ""


def test_a_list_is_a_table_on_a_terminal(shelf: Songctl) -> None:
    result = shelf("list", "--page-size", "2", env=TERMINAL)
    assert "title" in result.stdout
    assert "─" in result.stdout
    assert "2 of" in result.stderr
    assert "more with --page 2" in result.stderr
    assert "more" not in shelf("list", "--page", "2", "--page-size", "2", env=TERMINAL).stderr
    assert "no song has these words" in shelf("search", "green", env=TERMINAL).stderr


def test_no_color_is_respected(shelf: Songctl) -> None:
    assert "\x1b[" in shelf("list", env=TERMINAL).stdout
    assert "\x1b[3" not in shelf("list", env=TERMINAL | {"NO_COLOR": "1"}).stdout


def test_a_long_list_goes_on_in_a_new_table(editor: Songctl) -> None:
    Path("many.csv").write_text("title,artist\n" + "".join(f"{n},Ann\n" for n in range(250)))
    editor("import", "many.csv")
    shown = editor("list", "--all", env=TERMINAL).stdout
    assert shown.count("artists") == 2
    assert shown.count("Ann") == 250


def test_lyrics_cannot_command_the_terminal(editor: Songctl) -> None:
    lyrics = "\x1b[2Jgone\x9b2J\nLa la"
    shown = editor("add", "--title", "A", "--artist", "Ann", "--lyrics", lyrics, env=TERMINAL).stdout
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown
    assert "La la" in shown
    (song,) = editor.lines("list")
    assert editor.document("show", song["id"])["lyrics"] == lyrics


def test_a_song_is_a_table_on_a_terminal(editor: Songctl) -> None:
    result = editor("add", "--title", "[b]A[/b]", "--artist", "Ann", env=TERMINAL)
    assert "[b]A[/b]" in result.stdout
    assert "\t" not in result.stdout
