"""What docs/operating.md says is so."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from songserver.config import Settings
from songserver.supervisor import FIXED
from tests.docs.conftest import Live, blocks, environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
SOURCES = "".join(path.read_text() for path in (ROOT / "songserver").rglob("*.py"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    (unit,) = blocks("ini", PAGE)
    path = tmp_path / "songserver.service"
    path.write_text(unit.replace("/opt/songserver/bin/songserver", f"{Path(sys.executable).parent}/songserver"))

    said = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60, check=False)

    assert [line for line in said.stderr.splitlines() if "songserver" in line] == []
    assert said.returncode == 0, said.stderr


def test_it_names_settings_and_log_fields_that_there_are() -> None:
    metrics = re.compile(r"(grpc|songserver)_")
    for setting in set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = [^`]*)?`", PAGE)):
        assert metrics.match(setting) or setting in Settings.model_fields or f"{setting}=" in SOURCES, setting


def test_it_names_the_settings_that_a_reload_does_not_change() -> None:
    (sentence,) = re.findall(r"(?:`\w+`,\s+)*`\w+` and `\w+` change only", PAGE)

    assert set(re.findall(r"`(\w+)`", sentence)) == set(FIXED)


def test_it_names_events_that_are_logged() -> None:
    for event in re.findall(r"^\| `([a-z ,:]+)`", PAGE, re.MULTILINE):
        assert f'"{event}"' in SOURCES, event


def test_it_names_the_metrics_that_there_are() -> None:
    told = set(re.findall(r"^\| `((?:songserver|grpc_server)_\w+)`", PAGE, re.MULTILINE))
    known = set(re.findall(r'(?:Counter|Gauge|Histogram|Family)\(\s*"(\w+)"', SOURCES))

    assert {name.removesuffix("_total").removesuffix("_info") for name in told} == {
        name.removesuffix("_total") for name in known
    }


def test_the_audit_log_is_held_against_what_was_kept(live: Live, tmp_path: Path) -> None:
    (script,) = [block for block in blocks("sh", PAGE) if "audit verify" in block]
    here = script.replace("/var/lib/songs-audit", str(tmp_path))

    def verify() -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-c", here], env=environment(live), capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stderr

    assert verify()[0] == 0
    kept = tmp_path / "head"
    number, _, digest = kept.read_text().strip().partition(":")
    assert (int(number), len(digest)) == (1, 64)
    assert verify()[0] == 0
    kept.write_text(f"1:{'0' * 64}")
    status, said = verify()
    assert status == 1
    assert "tampered" in said
    assert kept.read_text() == f"1:{'0' * 64}"
