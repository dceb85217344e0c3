"""What README and docs say is so: each of their commands is run, and what it prints compared."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from songserver.config import Settings
from tests.docs.conftest import Live, as_here, assert_prints, blocks, environment, run_commands, serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "clients").glob("*/*.md")]

pytest_plugins = ["pytester"]


def test_the_first_start_says_what_readme_says(live: Live) -> None:
    (wanted,) = [block for block in blocks("text", README) if "listening on" in block]
    assert_prints(as_here(wanted, live).replace("127.0.0.1:50051", live.address), live.said)


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="grpcurl is not here")
def test_each_command_prints_what_readme_says(live: Live, tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    run_commands([block for block in blocks("console", README) if "curl -s" not in block], live, tmp_path)


def test_each_curl_prints_what_readme_says(tmp_path: Path) -> None:
    (session,) = [block for block in blocks("console", README) if "curl -s" in block]
    with serving("envoy", tmp_path / "songserver") as on_envoy:
        run_commands([session], on_envoy, tmp_path, at_least=5)


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="grpcurl is not here")
def test_the_server_writes_the_protos_for_other_languages(live: Live, tmp_path: Path) -> None:
    (command,) = re.findall(r"`(grpcurl [^`]*-proto-out-dir[^`]*)`", README)
    subprocess.run(as_here(command, live).split(), cwd=tmp_path, check=True, timeout=30, stdout=subprocess.DEVNULL)
    written = {str(path.relative_to(tmp_path / "protos")) for path in (tmp_path / "protos").rglob("*.proto")}
    assert {"songs/v1/song_service.proto", "songs/v1/song.proto", "buf/validate/validate.proto"} <= written


def test_python_in_ten_lines(live: Live) -> None:
    # Here alice may not have been made by the commands above, and the admin may do the same.
    password = (live.data / "admin-password").read_text().strip()
    (example,) = [block for block in blocks("python", README) if "SongClient(" in block]
    assert len(example.splitlines()) <= 12
    program = as_here(example, live).replace('"alice"', '"admin"').replace("wonderland-1865", password)
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment(live), check=True, timeout=30, text=True, capture_output=True
    ).stdout
    assert_prints("Avalon\nthere already, as ...\nAvalon by (Val)liam\n", printed)


def test_the_fixture_is_there_for_other_peoples_tests(pytester: pytest.Pytester, song_server_mongodb: str) -> None:
    (example,) = [block for block in blocks("python", README) if "def test_" in block]
    pytester.makepyfile(example)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    result.assert_outcomes(passed=1)


def test_the_file_of_settings_has_settings() -> None:
    (example,) = blocks("toml", (ROOT / "docs" / "settings.md").read_text())
    assert set(tomllib.loads(example)) <= set(Settings.model_fields)


def test_the_tables_are_as_the_code_is() -> None:
    subprocess.run([sys.executable, ROOT / "docs" / "tables.py", "--check"], check=True, timeout=60)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            headings = [re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles]
            assert target[1:] in headings
        elif not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page}: {target}"


def test_the_life_of_a_request_names_what_is_there() -> None:
    page = (ROOT / "docs" / "life-of-a-request.md").read_text()
    for file in re.findall(r"\(\.\./(songserver/[\w/.]+)\)", page):
        assert (ROOT / file).is_file()
    sources = "".join(path.read_text() for path in (ROOT / "songserver").rglob("*.py"))
    for name in re.findall(r"`(\w+)`", page):
        assert re.search(rf"\b{name}\b", sources), f"the page names {name}, which is not in songserver/"
