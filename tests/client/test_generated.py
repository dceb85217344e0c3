"""The client without asyncio is what unasync.py makes of the one with it."""

import inspect
import runpy
from pathlib import Path

from songclient import AsyncSongClient, SongClient

SCRIPT = Path(__file__).parents[2] / "clients" / "python" / "unasync.py"


def test_the_generated_client_is_up_to_date() -> None:
    made: dict[Path, str] = runpy.run_path(str(SCRIPT))["modules"]()

    kept = {path: path.read_text("utf-8") for path in next(iter(made)).parent.glob("*.py")}
    assert made == kept, "run: python clients/python/unasync.py"


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def signatures(client: type) -> dict[str, list[inspect.Parameter]]:
        return {
            name: [
                parameter.replace(annotation=inspect.Parameter.empty)
                for parameter in inspect.signature(method).parameters.values()
            ]
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    assert signatures(AsyncSongClient) == signatures(SongClient)


def test_nothing_of_asyncio_is_left() -> None:
    for path in (SCRIPT.parent / "src" / "songclient" / "sync").glob("*.py"):
        text = path.read_text("utf-8").removeprefix("# Generated from songclient/aio")
        for word in ("async", "await", "aio"):
            assert word not in text.replace("without asyncio", "").replace("unasync.py", ""), path
