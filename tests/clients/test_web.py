"""The client for browsers: installed as its README says, run in Node.js, and on a page in a real browser."""

import http.server
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_service_pb2 import ListSongsRequest
from songserver.config import Settings
from songserver.testing import SongServer, running_server
from tests.clients.conftest import BUILD_TIME, CLIENTS, RUN_TIME, run_session
from tests.conftest import Caller

FOLDER = CLIENTS / "web"
CONTRACT = CLIENTS.parent / "generated/songs/v1/contract.binpb"
BROWSER = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)

SESSION = """\
signed in: "visitor"
created once: true
got: ["Orange Horizon",{"musicbrainz":"b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d"}]
found: ["Orange Horizon"]
refused: ["InvalidArgument","-3002"]
reason: "INVALID_SONG_DETAILS"
fields: ["song.track_number","song.isrc"]
listed and deleted: 1
"""
SUBMIT = """
<script type="module">
const form = document.querySelector('form');
form.elements.username.value = %s;
form.elements.password.value = %s;
addEventListener('ended', () => fetch('said', { method: 'POST', body: document.querySelector('pre').textContent }));
form.requestSubmit();
</script>
"""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="needs Node.js and npm"
)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The client's packages."""
    subprocess.run(["npm", "ci", "--loglevel=error"], cwd=FOLDER, timeout=BUILD_TIME, check=True)


@pytest.fixture
def on_envoy(song_server_settings: Settings) -> Settings:
    return song_server_settings.model_copy(update={"engine": "envoy"})


@pytest.mark.parametrize("protocol", ["connect", "grpc-web", "http2"])
def test_a_session_in_node_goes_as_the_contract_says(
    on_envoy: Settings, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """With HTTP/2 a stream goes both ways, too."""
    monkeypatch.setenv("SONG_PROTOCOL", protocol)
    with running_server(on_envoy) as server:
        ended = run_session(["node", str(FOLDER / "node.js")], server, url=True)

        imported = "imported: [0,0,-3001]\n" if protocol == "http2" else ""
        assert (ended.stdout, ended.stderr, ended.returncode) == (SESSION + imported, "", 0)
        assert not Caller.new(server, PRIVILEGE_EDITOR).songs.ListSongs(ListSongsRequest()).songs


def test_it_fails_in_the_servers_words_where_the_password_is_wrong(on_envoy: Settings) -> None:
    with running_server(on_envoy) as server:
        ended = run_session(["node", str(FOLDER / "node.js")], server, password="wrong horse", url=True)

    assert (ended.stdout, ended.returncode) == ("", 1)
    assert ended.stderr == "[unauthenticated] the user name or the password is wrong\n"


class Page(http.server.SimpleHTTPRequestHandler):
    """The client's folder, with a form that fills in itself, and what came of it."""

    server: "PageServer"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(FOLDER))

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer("text/html", (FOLDER / "index.html").read_bytes() + self.server.script.encode())
        elif path == "/contract.binpb":
            self._answer("application/octet-stream", CONTRACT.read_bytes())
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.server.said.put(self.rfile.read(int(self.headers["content-length"])).decode())
        self._answer("text/plain", b"")

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class PageServer(http.server.ThreadingHTTPServer):
    """Serves the page."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.script = ""
        self.said: queue.Queue[str] = queue.Queue()


@pytest.fixture
def pages() -> Iterator[PageServer]:
    with PageServer() as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        yield pages
        pages.shutdown()
        thread.join()


@contextmanager
def browser_at(url: str, profile: Path) -> Iterator[None]:
    assert BROWSER
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    command = [BROWSER, *quiet, f"--user-data-dir={profile}", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        yield
        browser.terminate()


def said_on_page(server: SongServer, pages: PageServer, protocol: str, profile: Path) -> str:
    """Runs the session on the page of another origin than the server's."""
    user = server.sign_up("visitor", PRIVILEGE_EDITOR)
    pages.script = SUBMIT % tuple(map(json.dumps, user))
    with browser_at(f"{pages.origin}/?server=http://{server.address}&protocol={protocol}", profile):
        return pages.said.get(timeout=2 * RUN_TIME)


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
@pytest.mark.parametrize("protocol", ["connect", "grpc-web"])
def test_a_session_on_a_page_goes_as_the_contract_says(
    on_envoy: Settings, pages: PageServer, protocol: str, tmp_path: Path
) -> None:
    settings = on_envoy.model_copy(update={"cors_origins": pages.origin})
    with running_server(settings) as server:
        assert said_on_page(server, pages, protocol, tmp_path / "profile") == f"{SESSION}done\n"


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
@pytest.mark.parametrize("origins", [None, "https://songs.example"])
def test_a_page_of_another_origin_is_kept_out_by_the_browser(
    on_envoy: Settings, pages: PageServer, origins: str | None, tmp_path: Path
) -> None:
    with running_server(on_envoy.model_copy(update={"cors_origins": origins})) as server:
        said = said_on_page(server, pages, "connect", tmp_path / "profile")

    assert "Failed to fetch" in said
    assert "signed in" not in said
