"""The keys of a running server, and how they are changed under it."""

import asyncio
import os
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from structlog.testing import capture_logs

from songserver.auth.key_ring import READ_EVERY, KeyRing
from songserver.auth.keys import LATE_TO_STOP, PUBLISHED_BEFORE_SIGNING, KeysError, load_keys, make_key, read_keys
from songserver.auth.rotation import plan, rotate, states
from songserver.auth.tokens import Tokens
from songserver.errors import SignInFailure

USER, SESSION = "6f2f6f0e-0a5e-4c7c-8f5c-9c1f7d3f1c11", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
LIFETIME = 60.0
LONG = PUBLISHED_BEFORE_SIGNING + LIFETIME + LATE_TO_STOP + 5
"""Seconds after which a key that was replaced has ended."""


def add_key(directory: Path, kid: str, *, age: float = 0.0) -> None:
    """Adds a key that was made so many seconds ago."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = directory / f"{kid}.pem"
    path.write_bytes(pem)
    path.chmod(0o600)
    os.utime(path, (time.time() - age,) * 2)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A key directory with one key, `old`, which every server knows."""
    directory = tmp_path / "keys"
    load_keys(directory)
    next(directory.glob("*.pem")).unlink()
    add_key(directory, "old", age=9000)
    return directory


def tokens_of(ring: KeyRing) -> Tokens:
    return Tokens(ring, issuer="i", audience="a", lifetime=LIFETIME)


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_key_that_is_added_verifies_at_once_and_signs_later(directory: Path) -> None:
    ring, other = KeyRing(directory, LIFETIME), KeyRing(directory, LIFETIME)
    add_key(directory, "new", age=PUBLISHED_BEFORE_SIGNING - 1)
    ring.read()

    assert list(ring.public_keys()) == ["old", "new"]
    assert ring.signing().kid == "old"
    time.sleep(1.1)
    token, _ = tokens_of(ring).issue(USER, SESSION)
    assert kid_of(token) == "new"
    with pytest.raises(SignInFailure, match="not signed with a key of this server"):
        tokens_of(other).verify(token)
    other.read()
    assert tokens_of(other).verify(token).user_id == USER


def test_nobody_is_signed_out_by_a_change_of_keys(directory: Path) -> None:
    ring = KeyRing(directory, LIFETIME)
    tokens = tokens_of(ring)
    token, _ = tokens.issue(USER, SESSION)

    add_key(directory, "new", age=PUBLISHED_BEFORE_SIGNING + 1)
    ring.read()

    assert ring.signing().kid == "new"
    for verifier in (tokens, tokens_of(ring)):
        assert verifier.verify(token).session_id == SESSION


def test_a_replaced_key_verifies_no_more_once_its_tokens_have_ended(directory: Path) -> None:
    ring = KeyRing(directory, LIFETIME)
    token, _ = tokens_of(ring).issue(USER, SESSION)
    add_key(directory, "new", age=LONG)
    ring.read()

    assert list(ring.public_keys()) == ["new"]
    with pytest.raises(SignInFailure):
        tokens_of(ring).verify(token)


def test_a_key_that_is_taken_away_lets_nobody_in_even_who_was_known(directory: Path) -> None:
    add_key(directory, "new", age=PUBLISHED_BEFORE_SIGNING + 1)
    ring = KeyRing(directory, LIFETIME)
    tokens = tokens_of(ring)
    token, _ = tokens.issue(USER, SESSION)
    assert tokens.verify(token)

    (directory / "new.pem").unlink()
    ring.read()

    with pytest.raises(SignInFailure):
        tokens.verify(token)
    assert kid_of(tokens.issue(USER, SESSION)[0]) == "old"


def test_another_key_under_the_same_name_is_another_key(directory: Path) -> None:
    ring = KeyRing(directory, LIFETIME)
    tokens = tokens_of(ring)
    token, _ = tokens.issue(USER, SESSION)
    assert tokens.verify(token)

    add_key(directory, "old", age=9000)
    ring.read()

    with pytest.raises(SignInFailure):
        tokens.verify(token)


@pytest.mark.parametrize("harm", ["no key", "readable by others", "gone"])
def test_keys_that_cannot_be_read_leave_all_as_it_was_and_are_told_once(directory: Path, harm: str) -> None:
    ring = KeyRing(directory, LIFETIME)
    token, _ = tokens_of(ring).issue(USER, SESSION)
    if harm == "no key":
        (directory / "broken.pem").write_text("no key")
        (directory / "broken.pem").chmod(0o600)
    elif harm == "readable by others":
        (directory / "old.pem").chmod(0o644)
    else:
        directory.rename(directory.with_name("elsewhere"))

    with capture_logs() as logs:
        ring.read()
        ring.read()

    assert [line["event"] for line in logs] == ["keys that cannot be used: all stay as they are"]
    assert str(directory) in logs[0]["reason"]
    assert tokens_of(ring).verify(token).user_id == USER


def test_a_running_server_reads_its_keys_every_second(directory: Path) -> None:
    async def run() -> None:
        ring = KeyRing(directory, LIFETIME)
        async with ring.following():
            add_key(directory, "new")
            async with asyncio.timeout(READ_EVERY + 5):
                while "new" not in ring.public_keys():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_rotation_makes_a_key_that_waits(directory: Path) -> None:
    rotation = plan(directory, LIFETIME)
    rotate(directory, rotation)

    assert [(key.kid, key.does) for key in states(read_keys(directory), LIFETIME)] == [
        ("old", "signs"),
        (rotation.new, "waits"),
    ]


def test_a_second_rotation_has_to_wait_so_that_two_keys_are_live_at_the_most(directory: Path) -> None:
    rotate(directory, plan(directory, LIFETIME))

    with pytest.raises(KeysError, match=r"rotate again in 1[12]\d s"):
        plan(directory, LIFETIME)
    assert len(list(directory.glob("*.pem"))) == 2


def test_a_rotation_removes_keys_that_have_ended_and_no_others(directory: Path) -> None:
    add_key(directory, "older", age=9500)
    add_key(directory, "recent", age=LONG - 10)
    rotation = plan(directory, LIFETIME)
    assert [(key.kid, key.does) for key in states(read_keys(directory), LIFETIME)] == [
        ("older", "has ended"),
        ("old", "verifies"),
        ("recent", "signs"),
    ]

    rotate(directory, rotation)

    assert sorted(path.stem for path in directory.glob("*.pem")) == sorted(["old", "recent", rotation.new])


def test_two_rotations_at_once_make_one_key(directory: Path) -> None:
    """Two hosts that share a directory, each with the same line in its crontab."""
    rotation = plan(directory, LIFETIME)
    rotate(directory, rotation)
    first = (directory / f"{rotation.new}.pem").read_bytes()

    rotate(directory, rotation)
    make_key(directory, rotation.new)

    assert (directory / f"{rotation.new}.pem").read_bytes() == first


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_told(directory: Path) -> None:
    rotation = plan(directory, LIFETIME)
    directory.chmod(0o500)

    with pytest.raises(KeysError, match="cannot write into"):
        rotate(directory, rotation)
