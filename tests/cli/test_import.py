"""import: tables and JSON Lines, good rows and bad."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from songclient import Privilege
from tests.cli.audio import flac, mp3
from tests.cli.conftest import TERMINAL, Songctl

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "songs_sample.csv"
REAL = ROOT.parent / "shared" / "data" / "songs.csv"


def counts(summary: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return (
        summary["read"],
        summary["created"],
        summary["already_there"],
        summary["rejected"],
    )


def rejected(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_is_imported_and_a_second_time_creates_nothing(editor: Songctl) -> None:
    first = editor.document("import", str(SAMPLE), exit_code=3)
    assert counts(first) == (43, 32, 3, 8)
    assert first["rejects"] == ["songs_sample.rejected.csv"]
    assert len(editor.lines("list", "--all")) == 32
    second = editor.document("import", str(SAMPLE), exit_code=3)
    assert counts(second) == (43, 0, 35, 8)


def test_cells_become_the_fields_of_songs(editor: Songctl) -> None:
    editor("import", str(SAMPLE), exit_code=3)
    (found,) = editor.lines("search", "linie 9")
    song = editor.document("show", found["id"])
    expected = {
        "title": "Straßenbahn Linie 9",
        "artists": ["Zoë Änderström"],
        "album": "Grüne Welle",
        "album_artists": ["Zoë Änderström"],
        "track_number": 3,
        "disc_number": 1,
        "duration": "204s",
        "release_date": {"year": 2014},
        "genres": ["Electronic", "Ambient", "Downtempo"],
        "label": "Lantern Street",
        "popularity": 5,
        "external_ids": {"catalog_number": "lan002"},
    }
    assert {name: song[name] for name in expected} == expected
    (lines,) = editor.lines("search", "words in lines")
    lyrics = editor.document("show", lines["id"])["lyrics"]
    assert lyrics == 'One line,\nand "another",\n\nand the last'


def test_rejected_rows_say_why_and_can_be_mended_and_imported_again(editor: Songctl) -> None:
    editor("import", str(SAMPLE), exit_code=3)
    rows = rejected(Path("songs_sample.rejected.csv"))
    reasons = {row["row"]: row["reason"].split(":")[0] for row in rows}
    assert reasons == {
        "32": "title",
        "33": "title",
        "34": "artists",
        "35": "title",
        "36": "release_date",
        "37": "duration",
        "38": "track_number",
        "39": "duration_seconds",
    }
    assert list(rows[0])[:4] == ["row", "reason", "title", "artist"]
    assert rows[0]["album"] == "Untold"
    mended = [row | {"title": f"Mended {row['row']}", "artist": "Somebody"} for row in rows[:4]]
    with Path("mended.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(mended)
    assert counts(editor.document("import", "mended.csv")) == (4, 4, 0, 0)


def test_the_summary_is_told_to_a_person(editor: Songctl) -> None:
    result = editor("import", str(SAMPLE), exit_code=3)
    first, second = result.stdout.splitlines()
    assert first.startswith("43 rows read: 32 created, 3 already there, 8 rejected, in ")
    assert first.endswith(" rows/s)")
    assert second == "rejected rows: songs_sample.rejected.csv"
    assert result.stderr == (f"songctl: {SAMPLE}: a song has no field for: licence_url, source_url\n")


def test_without_rejected_rows_there_is_no_file_of_them(editor: Songctl) -> None:
    Path("good.csv").write_text("title,artist\nA,Ann\n")
    assert counts(editor.document("import", "good.csv")) == (1, 1, 0, 0)
    assert [path.name for path in Path.cwd().iterdir()] == ["good.csv"]


def test_bytes_that_are_no_text_are_rejected_as_they_came(editor: Songctl) -> None:
    Path("latin.csv").write_bytes(b"title,artist\nCaf\xe9,Ann\nTea,Ann\n")
    assert counts(editor.document("import", "latin.csv", exit_code=3)) == (2, 1, 0, 1)
    rejected_bytes = Path("latin.rejected.csv").read_bytes()
    assert rejected_bytes == b"row,reason,title,artist\r\n1,title: must be UTF-8,Caf\xe9,Ann\r\n"


def test_a_table_without_rows_is_an_import_of_nothing(editor: Songctl) -> None:
    Path("empty.csv").write_text("title,artist\n")
    assert counts(editor.document("import", "empty.csv")) == (0, 0, 0, 0)


def test_a_table_of_nothing_but_bad_rows_is_read_to_its_end(editor: Songctl) -> None:
    Path("bad.csv").write_text("title,artist\n" + "A\n" * 5000)
    summary = editor.document("import", "bad.csv", "--rejects", "why.csv", exit_code=3)
    assert counts(summary) == (5000, 0, 0, 5000)
    assert [row["row"] for row in rejected(Path("why.csv"))] == [str(n) for n in range(1, 5001)]


def test_rejected_rows_stand_in_the_order_of_their_file(editor: Songctl) -> None:
    kinds = ["{n},Ann", ",Ann", "{n}"]
    rows = [kinds[n % 3].format(n=n) for n in range(3000)]
    Path("mixed.csv").write_text("title,artist\n" + "\n".join(rows))
    summary = editor.document("import", "mixed.csv", exit_code=3)
    assert counts(summary) == (3000, 1000, 0, 2000)
    numbers = [int(row["row"]) for row in rejected(Path("mixed.rejected.csv"))]
    assert numbers == [n + 1 for n in range(3000) if n % 3]


def test_json_lines_are_imported(editor: Songctl) -> None:
    lines = ['{"title": "A", "artists": ["Ann"]}', "{", '{"title": "B"}']
    Path("songs.jsonl").write_text("\n".join(lines))
    assert counts(editor.document("import", "songs.jsonl", exit_code=3)) == (3, 1, 0, 2)
    unread, refused = (json.loads(line) for line in Path("songs.rejected.jsonl").read_text().splitlines())
    assert (unread["row"], unread["line"]) == (2, "{")
    assert (refused["row"], refused["title"]) == (3, "B")
    assert refused["reason"].startswith("artists: ")


def test_what_list_prints_can_be_imported_elsewhere(editor: Songctl) -> None:
    editor("import", str(SAMPLE), exit_code=3)
    printed = editor("--json", "list", "--all").stdout
    songs = editor.lines("list", "--all")
    editor("rm", "--yes", *(song["id"] for song in songs))
    summary = editor.document("import", "-", "--format", "jsonl", stdin=printed)
    assert counts(summary) == (32, 32, 0, 0)
    chosen = {"id", "etag", "create_time", "update_time"}
    assert [
        {name: value for name, value in song.items() if name not in chosen} for song in editor.lines("list", "--all")
    ] == [{name: value for name, value in song.items() if name not in chosen} for song in songs]


def test_standard_input_needs_a_format(editor: Songctl) -> None:
    assert "--format" in editor.error("import", "-", stdin="", exit_code=2)
    summary = editor.document("import", "-", "--format", "csv", stdin="title,artist\nA,\n", exit_code=3)
    assert summary["rejects"] == ["stdin.rejected.csv"]


def test_several_files_are_one_import(editor: Songctl) -> None:
    Path("a.csv").write_text("title,artist\nA,Ann\nB,\n")
    Path("b.jsonl").write_text('{"title": "A", "artists": ["Ann"]}\n{"title": "C"}\n')
    summary = editor.document("import", "a.csv", "b.jsonl", exit_code=3)
    assert counts(summary) == (4, 1, 1, 2)
    assert summary["rejects"] == ["a.rejected.csv", "b.rejected.jsonl"]
    both = ("import", "a.csv", "b.jsonl", "--rejects", "x")
    assert "one by one" in editor.error(*both, exit_code=2)


def test_files_that_differ_by_their_ends_keep_their_rejected_rows_apart(editor: Songctl) -> None:
    Path("a.json").write_text('[{"title": "A"}]')
    Path("a.jsonl").write_text('{"title": "B"}\n')
    summary = editor.document("import", "a.json", "a.jsonl", exit_code=3)
    assert summary["rejects"] == ["a.json.rejected.jsonl", "a.jsonl.rejected.jsonl"]


def test_names_that_a_song_has_no_field_for_are_told_after_json(editor: Songctl) -> None:
    Path("a.jsonl").write_text('{"title": "A", "artist": "Ann", "mood": "sad"}\n')
    result = editor("import", "a.jsonl")
    assert result.stderr == "songctl: a.jsonl: a song has no field for: mood\n"


def test_a_file_that_is_no_table_of_songs_is_refused(editor: Songctl) -> None:
    Path("names.csv").write_text("nom\nAnn\n")
    stderr = editor.error("import", "names.csv")
    assert stderr == "songctl: names.csv: its header has no column 'title', only 'nom': use --map title=COLUMN\n"
    assert "does not exist" in editor.error("import", "nowhere.csv", exit_code=2)


def test_rejects_that_cannot_be_written_are_told(editor: Songctl) -> None:
    Path("a.csv").write_text("title,artist\nA,\n")
    stderr = editor.error("import", "a.csv", "--rejects", "no/such/directory.csv")
    assert stderr == "songctl: no/such/directory.csv: No such file or directory\n"


def test_who_may_not_import_is_told_so(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    result = songctl("import", str(SAMPLE), exit_code=1)
    assert "PRIVILEGE_EDITOR" in result.stderr
    assert result.stdout == ""


def test_a_bar_shows_rows_and_rate_on_a_terminal(editor: Songctl) -> None:
    Path("many.csv").write_text("title,artist\n" + "".join(f"{n},Ann\n" for n in range(1000)))
    result = editor("import", "many.csv", env=TERMINAL)
    assert "importing" in result.stderr
    assert "1,000 rows" in result.stderr


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there")
def test_the_real_catalogue_is_imported(editor: Songctl) -> None:
    first = json.loads(editor.run("--json", "import", str(REAL)).stdout)
    assert counts(first) == (21_502, 21_453, 26, 23)
    rows = rejected(Path("songs.rejected.csv"))
    assert [row["row"] for row in rows[:2]] == ["3086", "3088"]
    assert all(row["title"] == "" or row["artist"] == "" for row in rows)
    assert all(row["reason"].startswith(("title: ", "artists: ")) for row in rows)
    with REAL.open(encoding="utf-8", newline="") as source, Path("again.csv").open("w", newline="") as again:
        header, *songs = csv.reader(source)
        csv.writer(again).writerows([header, *songs[::7]])
    second = editor.document("import", "again.csv", exit_code=3)
    assert second["created"] == 0
    assert second["already_there"] + second["rejected"] == second["read"] == len(songs[::7])


def test_columns_are_mapped(editor: Songctl) -> None:
    Path("de.csv").write_text("Titel;Wer,Titel,Wer\nx,A,Ann\n")
    summary = editor.document("import", "de.csv", "--map", "title=Titel", "--map", "artist=Wer")
    assert counts(summary) == (1, 1, 0, 0)
    assert "--map" in editor.error("import", "de.csv", "--map", "Titel", exit_code=2)
    assert "no column 'Name'" in editor.error("import", "de.csv", "--map", "title=Name")


def test_songs_that_are_there_are_treated_as_wanted(editor: Songctl) -> None:
    Path("a.csv").write_text("title,artist,label\nA,Ann,Old\nB,Ann,\n")
    editor("import", "a.csv")
    Path("b.csv").write_text("title,artist,label,bpm\nA,Ann,New,90\nB,Ann,,\nC,Ann,New,\n")
    merged = editor.document("import", "b.csv", "--existing", "merge")
    assert (merged["merged"], merged["unchanged"], merged["created"]) == (1, 1, 1)
    replaced = editor.document("import", "b.csv", "--existing", "replace")
    assert (replaced["replaced"], replaced["unchanged"], replaced["created"]) == (1, 2, 0)
    (song,) = [song for song in editor.lines("list", "--all") if song["title"] == "A"]
    assert (song["label"], song["bpm"]) == ("New", 90)
    stderr = editor.error("import", "b.csv", "--existing", "fail")
    assert "is there already" in stderr


@pytest.mark.parametrize("existing", ["skip", "replace", "merge"])
def test_a_dry_run_tells_the_counts_of_the_real_run(editor: Songctl, existing: str) -> None:
    """Also of a second one: all rows are there then."""
    for _ in range(2):
        before = editor.lines("list", "--all")
        rehearsed = editor.document("import", str(SAMPLE), "--existing", existing, "--dry-run", exit_code=3)
        assert editor.lines("list", "--all") == before
        reasons = rejected(Path("songs_sample.rejected.csv"))
        real = editor.document("import", str(SAMPLE), "--existing", existing, exit_code=3)
        told = {"dry_run", "seconds", "rows_per_second"}
        assert rehearsed["dry_run"]
        assert {name: rehearsed[name] for name in rehearsed.keys() - told} == {
            name: real[name] for name in real.keys() - told
        }
        assert rejected(Path("songs_sample.rejected.csv")) == reasons


def test_a_folder_of_audio_files_is_imported_and_what_has_no_tags_is_named(editor: Songctl) -> None:
    music = Path("music")
    (music / "more").mkdir(parents=True)
    flac(music / "1.flac", "TITLE=A", "ARTIST=Ann")
    mp3(music / "more" / "2.mp3", TIT2="B", TPE1="Bo")
    flac(music / "3.flac", "ARTIST=Ann")
    result = editor("import", "music")
    assert result.stdout.startswith("3 rows read: 2 created, 0 already there, 0 rejected, 1 skipped, in ")
    assert result.stderr == "songctl: music/3.flac: has no title in its tags: skipped\n"
    assert counts(editor.document("import", "music/1.flac")) == (1, 0, 1, 0)


def test_json_and_playlists_are_imported(editor: Songctl) -> None:
    Path("a.json").write_text('[{"title": "A", "artists": ["Ann"]}, {"title": "B"}]')
    Path("b.m3u").write_text("#EXTM3U\n#EXTINF:9,Ann - C\nc.mp3\n#EXTINF:9,D\nd.mp3\n")
    summary = editor.document("import", "a.json", "b.m3u", exit_code=3)
    assert counts(summary) == (4, 2, 0, 2)
    assert summary["rejects"] == ["a.rejected.jsonl", "b.rejected.m3u"]
