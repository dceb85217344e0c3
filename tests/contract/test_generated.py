"""What is committed in `generated/` is what the contract makes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "generated"


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for folder in ("songs", "buf")
        for path in (directory / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_generated_code_is_what_the_contract_makes(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="the generator is a tool of developers")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    done = subprocess.run(
        [sys.executable, ROOT / "protos" / "generate.py", tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    made, kept = files(tmp_path), files(GENERATED)
    by_hand = {"__init__.py", "py.typed"}
    assert {name for name in kept if Path(name).name not in by_hand} == set(made)
    assert [name for name in made if made[name] != kept[name]] == [], "run `make protos`"
