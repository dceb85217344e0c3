"""Makes the client without asyncio, `songclient.sync`, from the one with it, `songclient.aio`.

    python clients/python/unasync.py

What is async stays hand-written in one place, and both clients have real, typed signatures. Run it
after each change in `aio`; a test sees to it. With `--check` it fails if that was forgotten.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "src" / "songclient" / "aio"
TARGET: Final = SOURCE.parent / "sync"
HEADER: Final = "# Generated from songclient/aio by unasync.py: change it there.\n"

REPLACEMENTS: Final = (
    (r"from asyncio import Lock, shield, sleep", "from threading import Lock\nfrom time import sleep"),
    (r"from asyncio import Queue, sleep", "from queue import SimpleQueue as Queue\nfrom time import sleep"),
    (r"from asyncio import sleep", "from time import sleep"),
    (r"\baclosing\b", "closing"),
    (r"from asyncio import Queue", "from queue import SimpleQueue as Queue"),
    # A call that blocks cannot be given up from outside.
    (r"await shield\((.+)\)\n", r"\1\n"),
    (r" *# A caller who gives up .*\n", ""),
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\banext\(", "next("),
    (r"\baio_each\((\w+)\)", r"\1"),
    (r" *status = ServerStatus\(call\)\n", ""),
    (r"\bstatus(: ServerStatus)?, ", ""),
    (r"\bstatus\.instead_of\(error\)", "error"),
    (r"grpc\.aio\.StreamStreamCall\[\w+, (\w+)\]", r"Iterable[\1]"),
    (r"\bopen_aio_channel\b", "open_channel"),
    (r"\bgrpc\.aio\.", "grpc."),
    (r"\bsongclient\.aio\b", "songclient.sync"),
    (r" \| AsyncIterable\[Entry\]", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"The client for asyncio\.[^\"]*", "The client without asyncio."),
    (r"concurrent calls; make it\s+where its event loop runs", "threads"),
)


def without_asyncio(source: str, path: Path) -> str:
    """Make the text of the module at `path` from that of its async counterpart."""
    for pattern, replacement in REPLACEMENTS:
        source = re.sub(pattern, replacement, source)
    for command in (["check", "--fix", "--select", "F401,I"], ["format"]):
        source = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", path, "-"],
            input=source,
            capture_output=True,
            check=True,
            encoding="utf-8",
        ).stdout
    return HEADER + source


def modules() -> dict[Path, str]:
    """Make all modules of `songclient.sync`, by their paths."""
    return {
        TARGET / module.name: without_asyncio(module.read_text("utf-8"), TARGET / module.name)
        for module in sorted(SOURCE.glob("*.py"))
    }


def main() -> None:
    """Write the modules, or check them."""
    for path, source in modules().items():
        if "--check" not in sys.argv:
            path.write_text(source, "utf-8")
        elif source != path.read_text("utf-8"):
            sys.exit(f"{path} is not as the client with asyncio is: run `python {sys.argv[0]}`")


if __name__ == "__main__":
    main()
