"""`make load`: locust's users against a server of their own, headless; fails if a call failed.

    python tests/load.py [--host HOST:PORT] [--seconds 15] [--users 20]

With --host it goes to a server that runs already, and has the accounts of `songserver populate`.
"""

import argparse
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent
SONGS = 2000
ACCOUNTS = 10
SIGN_INS = 5
"""Users that begin a second: each signs in, which is made to be slow."""


@contextmanager
def own_server(folder: Path) -> Iterator[str]:
    """Fills a database of its own and serves it; gives the address."""
    settings = ["--data-directory", str(folder), "--listen", "127.0.0.1:0", "--log-level", "warning"]
    songserver = str(BIN / "songserver")
    subprocess.run(
        [songserver, "populate", "--songs", str(SONGS), "--users", str(ACCOUNTS), *settings[:2]], check=True, timeout=60
    )
    with subprocess.Popen([songserver, "serve", *settings], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            for line in server.stdout:
                if listening := re.search(r"listening on (\S+)", line):
                    yield listening[1]
                    return
            sys.exit("the server did not start")
        finally:
            server.send_signal(signal.SIGTERM)


def swarm(host: str, seconds: int, users: int) -> int:
    """Runs locust; gives its exit status, which is not 0 if a call failed."""
    return subprocess.run(
        [
            str(BIN / "locust"),
            "--locustfile",
            str(Path(__file__).with_name("locustfile.py")),
            "--host",
            host,
            "--headless",
            "--users",
            str(users),
            "--spawn-rate",
            str(SIGN_INS),
            "--run-time",
            f"{seconds}s",
            "--only-summary",
            "--loglevel",
            "WARNING",
        ],
        check=False,
        timeout=seconds + 60,
    ).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Locust's users against a song server.")
    parser.add_argument("--host", help="a server that runs already; default: one of its own")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--users", type=int, default=20)
    options = parser.parse_args()
    if options.host:
        return swarm(options.host, options.seconds, options.users)
    os.environ["SONGSERVER_POPULATE_PASSWORD"] = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as folder, own_server(Path(folder)) as address:
        return swarm(address, options.seconds, options.users)


if __name__ == "__main__":
    sys.exit(main())
