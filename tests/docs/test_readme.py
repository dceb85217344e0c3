"""What README and docs say is so: each of their commands is run, and what it prints compared."""

import doctest
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from songserver.config import Settings
from tests.conftest import ENGINE

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "clients").glob("*/*.md")]
SEPARATOR = "--8<--"

pytest_plugins = ["pytester"]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Live(NamedTuple):
    """A server as a newcomer has it."""

    address: str
    data: Path
    said: str


@contextmanager
def serving(engine: str, data: Path) -> Iterator[Live]:
    command = [str(BIN / "songserver"), "serve", "--listen", "127.0.0.1:0", "--data-directory", str(data)]
    environment = {**os.environ, "SONGSERVER_ENGINE": engine}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stdout
        said = ""
        while "listening on" not in said:
            line = server.stdout.readline()
            assert line, "the server did not start"
            said += line
        try:
            yield Live(said.split()[-1], data, said)
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(ENGINE, tmp_path_factory.mktemp("home") / "songserver") as live:
        yield live


def as_here(text: str, live: Live) -> str:
    return text.replace("localhost:50051", live.address).replace("~/.local/share/songserver", str(live.data))


def environment(live: Live) -> Mapping[str, str]:
    return {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "SONGCTL_SERVER": live.address,
        "SONGCTL_SESSION": str(live.data / "songctl-session.json"),
    }


def assert_prints(wanted: str, got: str) -> None:
    """Compares line by line, as doctest does: `...` stands for anything."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(wanted, got, flags), f"README says:\n{wanted}\nit printed:\n{got}"


def test_the_first_start_says_what_readme_says(live: Live) -> None:
    (wanted,) = [block for block in blocks("text") if "listening on" in block]
    assert_prints(as_here(wanted, live).replace("127.0.0.1:50051", live.address), live.said)


def check_commands(session: str, live: Live, folder: Path, at_least: int) -> None:
    """Runs the commands of a session in one shell, and compares what each prints."""
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", as_here(session, live), re.MULTILINE)
    assert len(commands) >= at_least
    script = "".join(f"{command}\necho '{SEPARATOR}'\n" for command, _ in commands)
    done = subprocess.run(
        ["bash"], input=script, env=environment(live), cwd=folder, timeout=60, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed = done.stdout.split(f"{SEPARATOR}\n")
    for (_, wanted), got in zip(commands, printed[:-1], strict=True):
        assert_prints(wanted, got.removesuffix("\n") + "\n" if got else "")


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="grpcurl is not here")
def test_each_command_prints_what_readme_says(live: Live, tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    check_commands("".join(block for block in blocks("console") if "curl -s" not in block), live, tmp_path, 12)


def test_each_curl_prints_what_readme_says(tmp_path: Path) -> None:
    (session,) = [block for block in blocks("console") if "curl -s" in block]
    with serving("envoy", tmp_path / "songserver") as on_envoy:
        check_commands(session, on_envoy, tmp_path, 5)


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="grpcurl is not here")
def test_the_server_writes_the_protos_for_other_languages(live: Live, tmp_path: Path) -> None:
    (command,) = re.findall(r"`(grpcurl [^`]*-proto-out-dir[^`]*)`", README)
    subprocess.run(as_here(command, live).split(), cwd=tmp_path, check=True, timeout=30, stdout=subprocess.DEVNULL)
    written = {str(path.relative_to(tmp_path / "protos")) for path in (tmp_path / "protos").rglob("*.proto")}
    assert {"songs/v1/song_service.proto", "songs/v1/song.proto", "buf/validate/validate.proto"} <= written


def test_python_in_ten_lines(live: Live) -> None:
    # Here alice may not have been made by the commands above, and the admin may do the same.
    password = (live.data / "admin-password").read_text().strip()
    (example,) = [block for block in blocks("python") if "SongClient(" in block]
    assert len(example.splitlines()) <= 12
    program = as_here(example, live).replace('"alice"', '"admin"').replace("wonderland-1865", password)
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment(live), check=True, timeout=30, text=True, capture_output=True
    ).stdout
    assert_prints("Avalon\nthere already, as ...\nAvalon by (Val)liam\n", printed)


def test_the_fixture_is_there_for_other_peoples_tests(pytester: pytest.Pytester, song_server_mongodb: str) -> None:
    (example,) = [block for block in blocks("python") if "def test_" in block]
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
