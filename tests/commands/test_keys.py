"""`songserver keys`, and keys that cannot be used."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from songs.v1.access_pb2 import PRIVILEGE_ADMIN
from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest
from songserver.auth.keys import load_keys
from songserver.testing import SongServer
from tests.commands.conftest import Run, error_of
from tests.conftest import Caller
from tests.operations.conftest import free_port


def a_key_of_a_wrong_kind(directory: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "key.pem").write_bytes(key)
    return "is no Ed25519 key: make one with `songserver keys rotate`"


def no_key(directory: Path) -> str:
    (directory / "key.pem").write_text("buy milk")
    return "key.pem is no private key in PEM form"


def a_key_that_others_may_read(directory: Path) -> str:
    key = directory / "page-tokens.key"
    key.write_bytes(bytes(32))
    key.chmod(0o640)
    return f"others than its owner may use {key} (its mode is 640): chmod 600 {key}, and think of making a new one"


@pytest.mark.parametrize("spoil", [a_key_of_a_wrong_kind, no_key, a_key_that_others_may_read])
def test_a_key_that_cannot_be_used_is_an_error(
    run: Run, database: tuple[str, ...], tmp_path: Path, spoil: Callable[[Path], str]
) -> None:
    said = spoil(tmp_path)
    for key in tmp_path.glob("*.pem"):
        key.chmod(0o600)

    assert said in error_of(run("serve", *database, f"--keys-directory={tmp_path}", "--listen=127.0.0.1:0"))


def test_a_key_directory_that_others_may_use_is_an_error(run: Run, database: tuple[str, ...], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    for command in ("serve", "keys rotate", "keys list"):
        error = error_of(run(*command.split(), *database, f"--keys-directory={tmp_path}"))
        assert error.startswith(f"others than its owner may use {tmp_path} (its mode is 755): chmod 700 {tmp_path}")


@pytest.fixture
def old_key(song_server: SongServer) -> str:
    """The key of a running server, which has been known everywhere for long: gives its name."""
    directory = song_server.settings.keys_kept_in
    (path,) = directory.glob("*.pem")
    path.rename(directory / "20240229T120000Z.pem")
    return "20240229T120000Z"


def test_keys_are_rotated_recorded_and_listed(
    run: Run, database: tuple[str, ...], song_server: SongServer, old_key: str
) -> None:
    arguments = (*database, f"--keys-directory={song_server.settings.keys_kept_in}")

    made = re.fullmatch(r"made the key (\S+), which signs in two minutes\n", run("keys", "rotate", *arguments).output)

    assert made
    lines = run("keys", "list", *arguments).output.splitlines()
    assert lines[0] == f"{old_key}  made 2024-02-29 12:00:00 UTC  signs"
    assert re.fullmatch(rf"{made[1]}  made \S+ \S+ UTC  waits until \d\d:\d\d:\d\d", lines[1])
    (event,) = (
        Caller.new(song_server, PRIVILEGE_ADMIN)
        .audit.ListAuditEvents(ListAuditEventsRequest(filter=AuditFilter(action="keys-rotate")))
        .events
    )
    assert event.target_id == made[1]
    assert error_of(run("keys", "rotate", *arguments)).startswith(f"the key {made[1]} is so new ")


def test_a_rotation_that_cannot_be_recorded_is_not_done(run: Run, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    load_keys(keys)
    (path,) = keys.glob("*.pem")
    path.rename(keys / "20240229T120000Z.pem")

    error = error_of(
        run("keys", "rotate", f"--mongodb-uri=mongodb://127.0.0.1:{free_port()}", f"--keys-directory={keys}")
    )

    assert error.startswith("MongoDB is not there: ")
    assert [path.stem for path in keys.glob("*.pem")] == ["20240229T120000Z"]


def test_a_key_directory_that_is_none_is_an_error(run: Run, database: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    error = error_of(run("serve", *database, f"--keys-directory={file}", "--listen=127.0.0.1:0"))

    assert error.startswith(f"cannot use the key directory {file}: ")
    assert error.endswith("; set keys_directory to one that is yours")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_directory_that_cannot_be_read_is_an_error(run: Run, database: tuple[str, ...], tmp_path: Path) -> None:
    tmp_path.chmod(0)

    error = error_of(run("serve", *database, f"--keys-directory={tmp_path}", "--listen=127.0.0.1:0"))
    tmp_path.chmod(stat.S_IRWXU)

    assert error.startswith(f"cannot use the key directory {tmp_path}: ")
