"""The secrets of the server: files of mode 0600 in a directory of mode 0700, both its own.

`<kid>.pem` is a private Ed25519 key (PKCS #8) that signs access tokens; its name is its id, the `kid` of these tokens,
and says when it was made. It verifies from the moment that it is there; the latest signs, once every server has had
time to read it (`PUBLISHED_BEFORE_SIGNING`); an older one verifies until its tokens have ended. `page-tokens.key` signs
page tokens. Servers that work together share the directory; `songserver keys rotate` changes keys while they run.
"""

import math
import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from songserver.foreseen import Foreseen

PAGE_TOKENS = "page-tokens.key"
KID_TIME = "%Y%m%dT%H%M%SZ"
"""What the names of our keys say: when they were made, in UTC."""
KID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
PUBLISHED_BEFORE_SIGNING = 120.0
"""Seconds from the making of a key until it signs. Servers read the directory every second, but one on another host may
see a shared directory 60 s late (NFS remembers for as long) and have a clock that differs; and services that cache
GetSigningKeys ask again once a minute."""
LATE_TO_STOP = 120.0
"""Seconds from when a key should have signed last until its last token begins, for the same reasons."""

log = structlog.get_logger()


class KeysError(Foreseen):
    """The key directory cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs access tokens, has done so, or will."""

    kid: str
    made: float
    """When it was made, in seconds since the epoch: what its name says or, of another name, the time of its file."""
    private: Ed25519PrivateKey

    @property
    def signs_from(self) -> float:
        """When every server knows it, in seconds since the epoch."""
        return self.made + PUBLISHED_BEFORE_SIGNING


@dataclass(frozen=True, slots=True)
class Keys:
    """What is in the key directory."""

    signing_keys: Sequence[SigningKey]
    """One or more, the oldest first."""
    page_token_secret: bytes = field(repr=False)
    """32 random bytes."""

    def signing(self, at: float) -> SigningKey:
        """Gives the key that signs at a time (in seconds since the epoch): the latest that every server knows.

        Where all are too new for that, as after a first start, it is the oldest: servers that start at once agree.
        """
        known = [key for key in self.signing_keys if key.signs_from <= at]
        return known[-1] if known else self.signing_keys[0]

    def live(self, at: float, lifetime: float) -> Sequence[SigningKey]:
        """Gives the keys that verify at a time: all but those whose last token has ended.

        Args:
            at: Seconds since the epoch.
            lifetime: Seconds for which a token is good.
        """
        ends = [later.signs_from + lifetime + LATE_TO_STOP for later in self.signing_keys[1:]] + [math.inf]
        return [key for key, end in zip(self.signing_keys, ends, strict=True) if at < end]


def load_keys(directory: Path) -> Keys:
    """Reads the keys of a directory; makes what is not there, for a first start.

    Raises:
        KeysError: If the directory or a key in it cannot be read, is not ours alone, or is no key.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(directory)
        if not (directory / PAGE_TOKENS).exists():
            _make(directory / PAGE_TOKENS, secrets.token_bytes(32))
        if not any(directory.glob("*.pem")):
            make_key(directory, new_kid())
        return read_keys(directory)
    except OSError as error:
        raise _unusable(directory, error) from error


def read_keys(directory: Path) -> Keys:
    """Reads the keys of a directory; makes nothing.

    Raises:
        KeysError: If the directory or a key in it cannot be read, is not ours alone, or is no key; if there is none.
    """
    try:
        _check_directory(directory)
        signing_keys = sorted(map(_signing_key, directory.glob("*.pem")), key=lambda key: (key.made, key.kid))
        page_token_secret, _ = _read(directory / PAGE_TOKENS)
    except OSError as error:
        raise _unusable(directory, error) from error
    if not signing_keys:
        raise KeysError(f"there is no key in {directory}: a server makes one when it starts")
    return Keys(signing_keys, page_token_secret)


def new_kid() -> str:
    """Gives the name of a key that is made now."""
    return datetime.fromtimestamp(time.time(), UTC).strftime(KID_TIME)


def make_key(directory: Path, kid: str) -> None:
    """Adds a key to a directory, unless another server makes one by this name at the same time."""
    private = Ed25519PrivateKey.generate()
    _make(directory / f"{kid}.pem", private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _make(path: Path, content: bytes) -> None:
    """Two servers that start at once agree: the file is made complete or not at all, and the first one counts."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        log.info("key made", path=str(path))
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _check_directory(directory: Path) -> None:
    """Whoever may write into the directory can make tokens; whoever may read it learns what keys there are."""
    _check_ours(directory, directory.stat(), f"chmod 700 {directory}, and look whether all keys in it are yours")


def _check_ours(path: Path, found: os.stat_result, mend: str) -> None:
    if found.st_uid != os.geteuid():
        raise KeysError(
            f"{path} belongs to the user with the id {found.st_uid}, and this process runs as {os.geteuid()}: run it "
            "as the owner, or chown it"
        )
    if found.st_mode & 0o077:
        raise KeysError(f"others than its owner may use {path} (its mode is {found.st_mode & 0o777:o}): {mend}")


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    with path.open("rb") as file:
        # Of what was opened, and not of what the name may have come to mean since.
        found = os.fstat(file.fileno())
        _check_ours(path, found, f"chmod 600 {path}, and think of making a new one")
        return file.read(), found


def _signing_key(path: Path) -> SigningKey:
    if not KID.fullmatch(path.stem):
        raise KeysError(f"{path}: a key is called by up to 64 letters, digits, . _ or -: rename or remove it")
    pem, found = _read(path)
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeysError(f"{path} is no private key in PEM form, unencrypted: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeysError(f"{path} is no Ed25519 key: make one with `songserver keys rotate`")
    try:
        made = datetime.strptime(path.stem, KID_TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        made = found.st_mtime
    return SigningKey(path.stem, made, private)


def _unusable(directory: Path, error: OSError) -> KeysError:
    return KeysError(f"cannot use the key directory {directory}: {error}; set keys_directory to one that is yours")
