"""The song server: a catalogue of songs with user accounts, served over gRPC, on MongoDB."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("song-server")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0"
