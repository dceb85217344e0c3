"""The files that a person names, with "-" for standard input."""

import contextlib
import sys
from pathlib import Path
from typing import BinaryIO

import click

file_argument = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)


def open_file(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a file for reading; standard input is not closed. Raises OSError."""
    if name == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    return Path(name).open("rb")
