"""edit-all, rm-all, duplicates, merge."""

from typing import Any

from tests.cli.conftest import TERMINAL, Songctl
from tests.cli.test_songs import add, titles

FILTERED = ("--artist", "Ann")


def labels(songctl: Songctl) -> list[str]:
    return [song.get("label", "") for song in songctl.lines("list", "--all")]


def test_edit_all_asks_and_changes_what_matches(editor: Songctl) -> None:
    add(editor, "One")
    add(editor, "Two", "Ann", "--label", "L")
    add(editor, "Other", "Bob")

    no = editor("edit-all", *FILTERED, "--set", "label=L", "--set", "genre=Pop", stdin="n\n", exit_code=1)
    assert "Change 2 of 2 songs that match?" in no.stderr
    assert "not changed" in no.stderr
    assert labels(editor) == ["", "L", ""]

    dry = editor.document("edit-all", *FILTERED, "--set", "label=L", "--dry-run")
    assert dry == {"matched": 2, "changed": 1, "failed": 0}
    assert labels(editor) == ["", "L", ""]

    yes = editor("edit-all", *FILTERED, "--set", "label=L", "--set", "genre=A", "--set", "genre=B", stdin="y\n")
    assert "2 of 2 songs changed" in yes.stdout
    songs = editor.lines("list", "--all")
    assert [song.get("genres") for song in songs] == [["A", "B"], ["A", "B"], None]

    editor("edit-all", *FILTERED, "--clear", "label", "--yes")
    assert labels(editor) == ["", "", ""]


def test_edit_all_tells_what_could_not_be_changed(editor: Songctl) -> None:
    first, second = add(editor, "One"), add(editor, "Two")

    told = editor("edit-all", *FILTERED, "--set", "title=One", "--yes", exit_code=3)

    assert "0 of 2 songs changed" in told.stdout
    assert f"{second['id']}: SONG_EXISTS: " in told.stderr
    assert first["id"] in told.stderr


def test_edit_all_says_what_it_wants(editor: Songctl) -> None:
    assert "nothing to change" in editor.error("edit-all", *FILTERED, exit_code=2)
    assert "is not FIELD=TEXT" in editor.error("edit-all", *FILTERED, "--set", "label", exit_code=2)
    assert "is not FIELD=TEXT" in editor.error("edit-all", *FILTERED, "--set", "shoes=brown", exit_code=2)
    assert "whole number" in editor.error("edit-all", *FILTERED, "--set", "track=one", exit_code=2)
    both = editor.error("edit-all", *FILTERED, "--set", "label=L", "--clear", "label", exit_code=2)
    assert "both set and cleared" in both
    assert "must have at least one field set" in editor.error("edit-all", "--set", "label=L", "--yes")


def test_no_more_than_asked_for(editor: Songctl) -> None:
    for title in ("One", "Two"):
        add(editor, title)
    for command in (("edit-all", "--set", "label=L"), ("rm-all",)):
        assert "more than max_songs, 1, match" in editor.error(*command, *FILTERED, "--max", "1", "--yes")
    assert len(editor.lines("list", "--all")) == 2


def test_rm_all_asks_and_removes_what_matches(editor: Songctl) -> None:
    add(editor, "One")
    add(editor, "Two")
    add(editor, "Other", "Bob")

    assert "Remove 2 songs?" in editor("rm-all", *FILTERED, stdin="n\n", exit_code=1).stderr
    assert editor("rm-all", *FILTERED, "--dry-run").stdout == "2 songs would be removed\n"
    assert len(editor.lines("list", "--all")) == 3
    assert editor.document("rm-all", *FILTERED, "--yes") == {"matched": 2, "deleted": 2}
    assert titles(editor.lines("list", "--all")) == ["Other"]


def duplicates(songctl: Songctl, *args: str) -> list[list[Any]]:
    return [titles(group["songs"]) for group in songctl.lines("duplicates", *args)]


def test_duplicates_are_found(editor: Songctl) -> None:
    add(editor, "One", "Ann", "--isrc", "GBAYE0000001")
    add(editor, "Uno", "Ann", "--isrc", "GBAYE0000001")
    add(editor, "Two", "Ann", "--duration", "3:00")
    add(editor, "TWO!", "Ann", "--duration", "3:05", "--album", "X")

    assert duplicates(editor) == [["One", "Uno"]]
    assert duplicates(editor, "--by", "title", "--difference", "5") == [["Two", "TWO!"]]
    assert duplicates(editor, "--artist", "Bob") == []
    table = editor("duplicates", "--difference", "5").stdout.splitlines()
    assert [line.split("\t")[:2] for line in table] == [["1", "One"], ["1", "Uno"], ["2", "Two"], ["2", "TWO!"]]
    assert "no song is there more than once" in editor("duplicates", "--artist", "Bob", env=TERMINAL).stderr


def test_merge_asks_and_makes_songs_one(editor: Songctl) -> None:
    kept, other = add(editor, "One"), add(editor, "Uno", "Ann", "--label", "L")

    assert "Make 1 song part of 'One'?" in editor("merge", kept["id"], other["id"], stdin="n\n", exit_code=1).stderr
    merged = editor.document("merge", kept["id"], other["id"], "--yes")
    assert (merged["title"], merged["label"]) == ("One", "L")
    assert editor.document("show", other["id"])["id"] == kept["id"]
    assert "no song has the id" in editor.error("merge", kept["id"], other["id"], "--yes")
