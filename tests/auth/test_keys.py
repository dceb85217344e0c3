"""The key directory: made on a first start, shared by servers, guarded."""

import stat
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

from songserver.auth.keys import PAGE_TOKENS, KeysError, load_keys
from songserver.auth.tokens import Tokens
from songserver.errors import SignInFailure


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write_key(path: Path, pem: bytes | None = None) -> None:
    path.write_bytes(
        pem or Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    path.chmod(0o600)


def tokens(directory: Path) -> Tokens:
    return Tokens(load_keys(directory), issuer="i", audience="a", lifetime=60)


USER, SESSION = "6f2f6f0e-0a5e-4c7c-8f5c-9c1f7d3f1c11", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"


def test_a_first_start_makes_keys_that_only_the_owner_can_read(tmp_path: Path) -> None:
    directory = tmp_path / "server" / "keys"

    keys = load_keys(directory)

    files = sorted(directory.iterdir())
    assert [path.suffix for path in files] == [".pem", ".key"]
    assert [mode(path) for path in files] == [0o600, 0o600]
    assert mode(directory) == 0o700
    assert files[0].stem == keys.signing_id
    assert len(keys.page_token_secret) == 32


def test_a_second_start_has_the_same_keys(tmp_path: Path) -> None:
    first, second = load_keys(tmp_path), load_keys(tmp_path)

    assert first.signing_id == second.signing_id
    assert first.page_token_secret == second.page_token_secret
    assert first.signing_key.private_bytes_raw() == second.signing_key.private_bytes_raw()


def test_servers_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: load_keys(tmp_path), range(8)))

    assert len({keys.page_token_secret for keys in made}) == 1
    for maker in made:
        token, _ = Tokens(maker, issuer="i", audience="a", lifetime=60).issue(USER, SESSION)
        # Those that started in the same second have the same key; all others read it at their next start.
        assert tokens(tmp_path).verify(token).user_id == USER
    assert not list(tmp_path.glob(".*"))


def test_the_last_key_by_name_signs_and_all_verify(tmp_path: Path) -> None:
    write_key(tmp_path / "2024.pem")
    old, _ = tokens(tmp_path).issue(USER, SESSION)

    write_key(tmp_path / "2025.pem")

    assert load_keys(tmp_path).signing_id == "2025"
    assert set(load_keys(tmp_path).public_keys) == {"2024", "2025"}
    assert tokens(tmp_path).verify(old).session_id == SESSION
    (tmp_path / "2024.pem").unlink()
    with pytest.raises(SignInFailure):
        tokens(tmp_path).verify(old)


@pytest.mark.parametrize("name", ["2024.pem", PAGE_TOKENS])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, name: str) -> None:
    write_key(tmp_path / "2024.pem")
    load_keys(tmp_path)
    (tmp_path / name).chmod(0o640)

    with pytest.raises(KeysError, match=rf"{name}: chmod 600"):
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
