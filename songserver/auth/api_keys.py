"""API keys. (B3's stand-in for B2's file: only what makes one.)"""

import secrets
from hashlib import sha256
from typing import NamedTuple

import uuid_utils


class PresentedKey(NamedTuple):
    """What a key says of itself."""

    api_key_id: str
    digest: bytes


def make_api_key() -> tuple[str, PresentedKey]:
    """Makes a key."""
    api_key_id = str(uuid_utils.uuid7())
    key = f"{api_key_id}.{secrets.token_urlsafe(32)}"
    return key, PresentedKey(api_key_id, sha256(key.encode()).digest())
