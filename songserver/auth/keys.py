"""The secrets of the server: files of mode 0600 in a directory that the operator owns.

`<kid>.pem` is a private Ed25519 key (PKCS #8) that signs access tokens; its name is its id, the `kid` of these tokens.
The last one by name signs, all of them verify. `page-tokens.key` signs page tokens. Servers that work together share
the directory.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from songserver.foreseen import Foreseen

PAGE_TOKENS = "page-tokens.key"

log = structlog.get_logger()


class KeysError(Foreseen):
    """The key directory cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What is in the key directory."""

    signing_id: str
    """The `kid` of the key that signs."""
    signing_key: Ed25519PrivateKey
    public_keys: Mapping[str, Ed25519PublicKey]
    """By `kid`."""
    page_token_secret: bytes
    """32 random bytes."""


def load_keys(directory: Path) -> Keys:
    """Reads the keys of a directory; makes what is not there, for a first start.

    Raises:
        KeysError: If the directory or a key in it cannot be read, or others may read it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = _read_or_make(directory / PAGE_TOKENS, lambda: secrets.token_bytes(32))
        if not any(directory.glob("*.pem")):
            kid = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            _read_or_make(directory / f"{kid}.pem", _new_private_key)
        private_keys = {path.stem: _private_key(path) for path in sorted(directory.glob("*.pem"))}
    except OSError as error:
        raise KeysError(
            f"cannot use the key directory {directory}: {error}; set keys_directory to one that is yours"
        ) from error
    signing_id = max(private_keys)
    return Keys(
        signing_id=signing_id,
        signing_key=private_keys[signing_id],
        public_keys={kid: key.public_key() for kid, key in private_keys.items()},
        page_token_secret=secret,
    )


def _read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """Two servers that start at once agree: the file is made complete or not at all, and the first one counts."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_bytes(make())
        try:
            os.link(draft, path)
            log.info("key made", path=str(path))
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    if path.stat().st_mode & 0o077:
        raise KeysError(f"others may read the key {path}: chmod 600 it, and think of making a new one")
    return path.read_bytes()


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_read_or_make(path, _new_private_key), password=None)
    except (ValueError, TypeError) as error:
        raise KeysError(f"{path} is no private key in PEM form, unencrypted: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{path} is no Ed25519 key: make one with `openssl genpkey -algorithm ed25519`")
    return key
