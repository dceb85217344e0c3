"""export: the catalogue as files, which can be imported again."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from songclient import ExportSongsResponse, Privilege, SongClient, SongClientError
from tests.cli.conftest import Songctl

CUT = SongClientError("cut", status=grpc.StatusCode.ABORTED)
SAMPLE = Path(__file__).parents[1] / "data" / "songs_sample.csv"


@pytest.fixture
def catalogue(editor: Songctl) -> Songctl:
    """songctl with some songs."""
    editor("import", str(SAMPLE), exit_code=3)
    return editor


def test_a_table_has_all_songs_in_the_order_of_their_creation(catalogue: Songctl) -> None:
    result = catalogue("export", "songs.csv")
    assert result.output == ""
    with Path("songs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["title"] for row in rows] == [song["title"] for song in catalogue.lines("list", "--all")]
    (row,) = [row for row in rows if row["title"] == "Straßenbahn Linie 9"]
    assert {name: cell for name, cell in row.items() if cell} == {
        "title": "Straßenbahn Linie 9",
        "artists": "Zoë Änderström",
        "album": "Grüne Welle",
        "album_artists": "Zoë Änderström",
        "disc_number": "1",
        "track_number": "3",
        "genres": "Electronic; Ambient; Downtempo",
        "release_date": "2014",
        "duration_seconds": "204",
        "label": "Lantern Street",
        "popularity": "5",
        "external_ids": '{"catalog_number": "lan002"}',
    }
    assert [path.name for path in Path.cwd().iterdir() if "songs." in path.name] == ["songs.csv"]


def test_json_lines_have_all_of_a_song(catalogue: Songctl) -> None:
    catalogue("export", "songs.jsonl")
    lines = [json.loads(line) for line in Path("songs.jsonl").read_text().splitlines()]
    assert lines == [catalogue.document("show", song["id"]) for song in catalogue.lines("list", "--all")]


def test_a_playlist_is_one_for_players_and_can_be_imported(catalogue: Songctl) -> None:
    catalogue("export", "songs.m3u8", "--genre", "Ambient")
    lines = Path("songs.m3u8").read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    assert "#EXTINF:204,Zoë Änderström - Straßenbahn Linie 9" in lines
    before = catalogue.lines("list", "--genre", "Ambient", "--all")
    catalogue("rm", "--yes", *(song["id"] for song in before))
    catalogue("import", "songs.m3u8")
    names = ("title", "artists", "album", "genres", "duration")
    after = catalogue.lines("list", "--genre", "Ambient", "--all")
    assert [[song.get(name) for name in names] for song in after] == [
        [song.get(name) for name in names] for song in before
    ]


def test_what_matches_is_exported(catalogue: Songctl) -> None:
    catalogue("export", "some.csv", "--from", "2014", "--to", "2014", "--genre", "ambient")
    catalogue("export", "none.csv", "--artist", "nobody")
    assert "Straßenbahn Linie 9" in Path("some.csv").read_text()
    assert len(Path("none.csv").read_text().splitlines()) == 1


def test_standard_output_needs_a_format(catalogue: Songctl) -> None:
    printed = catalogue("export", "-", "--format", "csv").stdout
    catalogue("export", "songs.csv")
    assert printed == Path("songs.csv").read_text()
    assert "--format" in catalogue.error("export", "-", exit_code=2)
    assert "--format" in catalogue.error("export", "songs.xls", exit_code=2)


def test_an_export_that_was_cut_goes_on(catalogue: Songctl, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("many.csv").write_text("title,artist\n" + "".join(f"{n},Ann\n" for n in range(3000)))
    catalogue("import", "many.csv")
    catalogue("export", "whole.csv")
    pages = SongClient.export_songs_pages
    tokens = []

    def cut(self: SongClient, **options: Any) -> Iterator[ExportSongsResponse]:
        tokens.append(options["resume_token"])
        yield next(pages(self, **options))
        raise CUT

    with monkeypatch.context() as patched:
        patched.setattr(SongClient, "export_songs_pages", cut)
        assert catalogue.error("export", "songs.csv") == "songctl: cut\n"
        assert not Path("songs.csv").exists()
        # What was written after it was last noted how far the export is.
        with Path(".songs.csv.part").open("a") as file:
            file.write("half a li")
        said = catalogue.error("export", "songs.csv")
    assert said.startswith("songctl: songs.csv: goes on after song ")
    assert catalogue("export", "songs.csv").stderr.startswith("songctl: songs.csv: goes on after song ")
    assert Path("songs.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert [bool(token) for token in tokens] == [False, True]
    assert not list(Path.cwd().glob(".*"))


def test_an_export_of_something_else_begins_anew(catalogue: Songctl, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = SongClient.export_songs_pages

    def cut(self: SongClient, **options: Any) -> Iterator[ExportSongsResponse]:
        yield next(pages(self, **options))
        raise CUT

    with monkeypatch.context() as patched:
        patched.setattr(SongClient, "export_songs_pages", cut)
        catalogue.error("export", "songs.csv", "--genre", "ambient")
    assert catalogue("export", "songs.csv").stderr == ""
    catalogue("export", "whole.csv")
    assert Path("songs.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_a_file_that_cannot_be_written_is_told(catalogue: Songctl) -> None:
    assert "No such file or directory" in catalogue.error("export", "no/such/songs.csv")


def test_a_listener_may_export(songctl: Songctl) -> None:
    songctl.sign_in(Privilege.PRIVILEGE_LISTENER)
    songctl("export", "songs.csv")
    assert Path("songs.csv").exists()
