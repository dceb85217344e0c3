"""The command `songctl`, on top of the library."""

from songclient.cli.group import main

__all__ = ["main"]
