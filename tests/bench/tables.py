"""Tables in Markdown, and the places in documents that they are for."""

from collections.abc import Iterable
from pathlib import Path


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Gives a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(*, reached: bool) -> str:
    """Says whether what was wanted is reached."""
    return "reached" if reached else "**not reached**"


def write_into(path: Path, text: str, name: str) -> None:
    """Puts a text between the markers of a table in a file."""
    begin, end = f"<!-- table: {name} -->\n", "<!-- end -->"
    before, found, rest = path.read_text().partition(begin)
    _, also_found, after = rest.partition(end)
    assert found, f"{path} has no line {begin}"
    assert also_found, f"{path} has no line {end}"
    path.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")
