"""What the client's README and docstring show, run as it stands there."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import songclient
from songclient import Privilege
from songserver.testing import SongServer

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def run(code: str, server: SongServer) -> str:
    """Runs a program with the server's address and the admin's password in place; gives what it prints."""
    _, password = server.sign_up("admin", Privilege.PRIVILEGE_ADMIN)
    for shown, real in (("127.0.0.1:50051", server.address), ("the password", password)):
        assert shown in code
        code = code.replace(shown, real)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=30).stdout


@pytest.mark.parametrize(("code", "output"), EXAMPLES, ids=["sync", "asyncio", "api-key"])
def test_an_example_of_the_readme_prints_what_it_says(empty_server: SongServer, code: str, output: str) -> None:
    assert run(code, empty_server) == output


def test_the_example_of_the_package_runs(empty_server: SongServer) -> None:
    example = re.search(r"\n\n((?:    .*\n|\n)+)", songclient.__doc__ or "")
    assert example is not None

    assert run(textwrap.dedent(example[1]), empty_server) == "Orange Horizon by The Harbour Lights\n"
