"""Which column of a file is which field of a song: as `--map` says, else as its name tells."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from songclient.cli.fields import Setter, field_named, setter_for


class Column(NamedTuple):
    """A column, where it is, and what sets its field."""

    at: int
    name: str
    setter: Setter


def read_map(texts: Sequence[str]) -> dict[str, str]:
    """Read what `--map` was given: FIELD=COLUMN each; give the fields by their columns. Raises click.BadParameter."""
    fields: dict[str, str] = {}
    for text in texts:
        field, equals, column = text.partition("=")
        if not equals or setter_for(field) is None:
            raise click.BadParameter(f"{text!r} must be FIELD=COLUMN, with a field of a song", param_hint="--map")
        fields[column] = field
    return fields


def columns_of(header: Sequence[str], mapped: Mapping[str, str]) -> list[Column]:
    """Find the columns that a song has a field for.

    A field that a column was named for is not looked for in others.
    """
    taken = {field_named(field) for column, field in mapped.items() if column in header}
    columns = []
    for index, name in enumerate(header):
        field = mapped.get(name) or (name if field_named(name) not in taken else "")
        if field and (setter := setter_for(field)):
            columns.append(Column(index, name, setter))
    return columns
