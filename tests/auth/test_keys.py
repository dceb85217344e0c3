"""The key directory: made on a first start, shared by servers, guarded."""

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from songserver.auth.key_ring import KeyRing
from songserver.auth.keys import LATE_TO_STOP, PAGE_TOKENS, PUBLISHED_BEFORE_SIGNING, KeysError, load_keys, read_keys
from songserver.auth.tokens import Tokens


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write_key(path: Path, pem: bytes | None = None, made: float | None = None) -> None:
    path.write_bytes(
        pem or Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    path.chmod(0o600)
    if made is not None:
        os.utime(path, (made, made))


def tokens(directory: Path) -> Tokens:
    return Tokens(KeyRing(directory, 60), issuer="i", audience="a", lifetime=60)


USER, SESSION = "6f2f6f0e-0a5e-4c7c-8f5c-9c1f7d3f1c11", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"


def test_a_first_start_makes_keys_that_only_the_owner_can_read(tmp_path: Path) -> None:
    directory = tmp_path / "server" / "keys"

    keys = load_keys(directory)

    files = sorted(directory.iterdir())
    assert [path.suffix for path in files] == [".pem", ".key"]
    assert [mode(path) for path in files] == [0o600, 0o600]
    assert mode(directory) == 0o700
    assert files[0].stem == keys.signing(time.time()).kid
    assert len(keys.page_token_secret) == 32


def test_a_second_start_has_the_same_keys(tmp_path: Path) -> None:
    first, second = load_keys(tmp_path), load_keys(tmp_path)

    assert first.page_token_secret == second.page_token_secret
    (one,), (other,) = first.signing_keys, second.signing_keys
    assert one.kid == other.kid
    assert one.private.private_bytes_raw() == other.private.private_bytes_raw()


def test_servers_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: KeyRing(tmp_path, 60), range(8)))

    assert len({keys.page_token_secret for keys in made}) == 1
    for maker in made:
        token, _ = Tokens(maker, issuer="i", audience="a", lifetime=60).issue(USER, SESSION)
        # Those that started in the same second have the same key; all others read it a second later.
        assert tokens(tmp_path).verify(token).user_id == USER
    assert not list(tmp_path.glob(".*"))


def test_a_key_signs_only_once_every_server_has_had_time_to_read_it(tmp_path: Path) -> None:
    now = time.time()
    for kid, age in (("old", 9000.0), ("known", PUBLISHED_BEFORE_SIGNING + 5), ("new", PUBLISHED_BEFORE_SIGNING - 5)):
        write_key(tmp_path / f"{kid}.pem", made=now - age)

    keys = load_keys(tmp_path)

    assert [key.kid for key in keys.signing_keys] == ["old", "known", "new"]
    assert keys.signing(now).kid == "known"
    assert keys.signing(now + 10).kid == "new"
    assert keys.signing(now - 10).kid == "old"


def test_of_keys_that_are_all_too_new_the_oldest_signs(tmp_path: Path) -> None:
    """As after a first start of several servers, which made one each."""
    now = time.time()
    for kid, age in (("first", 2.0), ("second", 1.0)):
        write_key(tmp_path / f"{kid}.pem", made=now - age)

    assert load_keys(tmp_path).signing(now).kid == "first"


def test_a_key_verifies_until_the_last_token_that_it_signed_has_ended(tmp_path: Path) -> None:
    now, lifetime = time.time(), 60.0
    write_key(tmp_path / "old.pem", made=now - 9000)
    write_key(tmp_path / "new.pem", made=now)
    keys = load_keys(tmp_path)
    end = now + PUBLISHED_BEFORE_SIGNING + lifetime + LATE_TO_STOP

    assert [key.kid for key in keys.live(now, lifetime)] == ["old", "new"]
    assert [key.kid for key in keys.live(end - 1, lifetime)] == ["old", "new"]
    assert [key.kid for key in keys.live(end + 1, lifetime)] == ["new"]


def test_the_name_of_a_key_says_when_it_was_made(tmp_path: Path) -> None:
    """Its file may have been brought back from a backup."""
    write_key(tmp_path / "20240229T120000Z.pem", made=time.time())

    (key,) = load_keys(tmp_path).signing_keys

    assert key.made == 1_709_208_000


@pytest.mark.parametrize("kid", [".hidden", "a b", "x" * 65, "schlüssel"])
def test_a_name_that_is_no_kid_is_refused(tmp_path: Path, kid: str) -> None:
    write_key(tmp_path / f"{kid}.pem")

    with pytest.raises(KeysError, match="letters, digits"):
        load_keys(tmp_path)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o720, 0o777])
def test_a_directory_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "keys"
    load_keys(directory)
    directory.chmod(mode)

    with pytest.raises(KeysError, match=f"mode is {mode:o}.*chmod 700 {directory}"):
        load_keys(directory)


@pytest.mark.parametrize("of", ["the directory", "a key"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, of: str) -> None:
    directory = tmp_path / "keys"
    load_keys(directory)
    os.chown(directory if of == "the directory" else next(directory.glob("*.pem")), 12345, -1)

    with pytest.raises(KeysError, match="the id 12345"):
        load_keys(directory)


def test_a_directory_without_keys_is_no_place_to_read_from(tmp_path: Path) -> None:
    load_keys(tmp_path)
    for path in tmp_path.glob("*.pem"):
        path.unlink()

    with pytest.raises(KeysError, match=r"no key in .*when it starts"):
        read_keys(tmp_path)


@pytest.mark.parametrize("name", ["2024.pem", PAGE_TOKENS])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, name: str) -> None:
    write_key(tmp_path / "2024.pem")
    load_keys(tmp_path)
    (tmp_path / name).chmod(0o640)

    with pytest.raises(KeysError, match=rf"chmod 600 .*{name}"):
        load_keys(tmp_path)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"no key", "no private key in PEM form"),
        (b"\x00" * 100, "no private key in PEM form"),
        (
            generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "no Ed25519 key",
        ),
        (
            Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
            ),
            "unencrypted",
        ),
    ],
    ids=["text", "zeros", "another kind", "encrypted"],
)
def test_what_is_no_key_is_refused_with_its_name(tmp_path: Path, pem: bytes, reason: str) -> None:
    write_key(tmp_path / "2024.pem", pem)

    with pytest.raises(KeysError, match=rf"2024\.pem.*({reason})"):
        load_keys(tmp_path)


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(KeysError, match="keys_directory"):
        load_keys(tmp_path / "file" / "keys")
