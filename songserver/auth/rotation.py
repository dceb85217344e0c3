"""Changing the keys that sign access tokens, while servers run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from songserver.auth.keys import Keys, KeysError, make_key, new_kid, read_keys


@dataclass(frozen=True, slots=True)
class KeyState:
    """What a key does now."""

    kid: str
    does: Literal["waits", "signs", "verifies", "has ended"]
    """It waits to sign until all servers know it; it verifies what it has signed; it has ended, and may be removed."""
    made: datetime
    signs_from: datetime


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is to be done to change keys."""

    new: str
    """The `kid` of the key to make."""
    ended: Sequence[str]
    """Keys whose last token has ended: to be removed."""


def states(keys: Keys, token_lifetime: float) -> list[KeyState]:
    """Tells what each key does, the oldest first.

    Args:
        keys: What is in the key directory.
        token_lifetime: Seconds for which a token is good.
    """
    now = time.time()
    signing = keys.signing(now)
    live = {key.kid for key in keys.live(now, token_lifetime)}

    def does(kid: str, made: float) -> Literal["waits", "signs", "verifies", "has ended"]:
        if kid == signing.kid:
            return "signs"
        if (made, kid) > (signing.made, signing.kid):
            return "waits"
        return "verifies" if kid in live else "has ended"

    return [
        KeyState(key.kid, does(key.kid, key.made), _utc(key.made), _utc(key.signs_from)) for key in keys.signing_keys
    ]


def plan(directory: Path, token_lifetime: float) -> Rotation:
    """Looks whether keys may be changed now, and how. Changes nothing.

    Args:
        directory: The key directory of a server.
        token_lifetime: Seconds for which a token is good.

    Raises:
        KeysError: If the directory cannot be used, or the latest key is too new: there are no more than two live ones.
    """
    keys = read_keys(directory)
    latest = keys.signing_keys[-1]
    if (wait := latest.signs_from - time.time()) > 0:
        raise KeysError(
            f"the key {latest.kid} is so new that not every server may know it: rotate again in {wait:.0f} s or, if it "
            f"must not be used, remove {directory / latest.kid}.pem"
        )
    ended = [state.kid for state in states(keys, token_lifetime) if state.does == "has ended"]
    return Rotation(new_kid(), ended)


def rotate(directory: Path, rotation: Rotation) -> None:
    """Changes keys as planned.

    Raises:
        KeysError: If the directory cannot be written.
    """
    try:
        make_key(directory, rotation.new)
        for kid in rotation.ended:
            (directory / f"{kid}.pem").unlink(missing_ok=True)
    except OSError as error:
        raise KeysError(f"cannot write into the key directory {directory}: {error}") from error


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
