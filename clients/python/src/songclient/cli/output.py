"""Prints results: tables on a terminal, texts between tabs in a pipe, JSON for machines."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

M = TypeVar("M", bound=Message)

Fields = dict[str, str]
"""What is shown of one thing: texts by their headings, in order."""

PROSE = {"title", "artists", "album", "display name", "name", "client", "scopes", "what", "from"}
"""The headings of texts that may take several lines."""
TABLE_ROWS = 200
"""After how many rows a long list goes on in a new table, so that it is shown as it comes."""

_CONTROLS = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}


class Output:
    """Where results go: standard output, in the form that its reader needs."""

    def __init__(self, *, as_json: bool) -> None:
        """Print JSON, or else for people and their pipes."""
        self.as_json = as_json
        self._console = Console(highlight=False)
        self.tables = not as_json and self._console.is_terminal
        """Whether a person reads along."""

    def one(self, message: M, show: Callable[[M], Fields]) -> None:
        """Print one thing: a JSON document, or a line for each of its fields that is set."""
        if self.as_json:
            click.echo(_json(message, indent=2))
            return
        shown = {name: text for name, text in show(message).items() if text}
        if not self.tables:
            for name, text in shown.items():
                click.echo(f"{name}\t{text}")
            return
        table = Table.grid("name", "text", padding=(0, 2))
        for name, text in shown.items():
            table.add_row(Text(name, "bold"), Text(_harmless(text)))
        self._console.print(table)

    def many(self, messages: Iterable[M], show: Callable[[M], Fields]) -> int:
        """Print a list as it comes, a line a thing or in tables; give how many things it had."""
        count = 0
        rows: list[Fields] = []
        for message in messages:
            count += 1
            if self.as_json:
                click.echo(as_json_line(message))
            elif not self.tables:
                click.echo("\t".join(show(message).values()))
            else:
                rows.append(show(message))
                if len(rows) == TABLE_ROWS:
                    self._print_table(rows)
                    rows.clear()
        if rows:
            self._print_table(rows)
        return count

    def now(self, message: M, show: Callable[[M], Fields]) -> None:
        """Print a thing as soon as it happens, in a line."""
        if self.as_json:
            click.echo(as_json_line(message))
        else:
            texts = show(message).values()
            click.echo("  ".join(map(_harmless, texts)) if self.tables else "\t".join(texts))

    def _print_table(self, rows: list[Fields]) -> None:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
        for name in rows[0]:
            # Prose gives way on a narrow terminal: an id that is parted cannot be copied.
            table.add_column(name, no_wrap=name not in PROSE, overflow="fold")
        for row in rows:
            table.add_row(*(Text(_harmless(text)) for text in row.values()))
        self._console.print(table)

    def document(self, values: dict[str, Any], text: str) -> None:
        """Print values as a JSON document, or the text that says the same."""
        click.echo(json.dumps(values, indent=2, ensure_ascii=False) if self.as_json else text)

    def note(self, text: str) -> None:
        """Tell a person at a terminal something beside the result."""
        if self.tables:
            click.echo(text, err=True)


def songs(count: int) -> str:
    """Say how many songs these are."""
    return f"{count:,} song{'' if count == 1 else 's'}"


def _harmless(text: str) -> str:
    """Take out of a text that somebody wrote what would command the reader's terminal."""
    return text.translate(_CONTROLS)


def as_json_line(message: Message) -> str:
    """Give a message in proto3 JSON, in one line."""
    return _json(message, indent=None)


def _json(message: Message, indent: int | None) -> str:
    return json_format.MessageToJson(message, preserving_proto_field_name=True, indent=indent, ensure_ascii=False)
