"""What docs/catalogue.md shows is so."""

from pathlib import Path

from tests.docs.conftest import Live, blocks, run_commands

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "catalogue.md").read_text()


def test_each_command_prints_what_the_page_says(live: Live, tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    run_commands(blocks("console", PAGE), live, tmp_path, at_least=25)
