"""What an API key looks like.

    song_019363c1d2d87d0aa2b3c4d5e6f70819_<64 hexadecimal digits>1a2b3c4d

First the UUID of the key without its hyphens, then 256 random bits, and in the last eight digits the CRC-32 of all
that is before them. By the prefix and the checksum scanners find keys that got into a repository, and we refuse a slip
of the pen without asking MongoDB.
"""

import re
import secrets
import zlib
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import uuid_utils

from songserver.errors import SignInFailure

PREFIX = "song_"
FORM = re.compile(rf"{PREFIX}([0-9a-f]{{32}})_[0-9a-f]{{64}}([0-9a-f]{{8}})")


class PresentedKey(NamedTuple):
    """What a key says of itself."""

    api_key_id: str
    """A UUID in its 36 character form."""
    digest: bytes
    """SHA-256 of the key. (The key has 256 random bits: it needs no salt, nor a slow hash.)"""


def make_api_key() -> tuple[str, PresentedKey]:
    """Makes a key."""
    api_key_id = UUID(str(uuid_utils.uuid7()))
    begin = f"{PREFIX}{api_key_id.hex}_{secrets.token_hex(32)}"
    key = begin + _checksum(begin)
    return key, PresentedKey(str(api_key_id), _digest(key))


def read_api_key(key: str) -> PresentedKey:
    """Reads what somebody sent as a key.

    Raises:
        SignInFailure: If it is none.
    """
    form = FORM.fullmatch(key)
    if form is None or _checksum(key[: form.start(2)]) != form[2]:
        raise SignInFailure("this is no API key: it has been changed or cut off on the way here")
    return PresentedKey(str(UUID(form[1])), _digest(key))


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
