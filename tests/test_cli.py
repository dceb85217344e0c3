"""The commands of `songserver` beside `serve`, and what an operator reads when something cannot work."""

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import click.testing
import pymongo
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from structlog.testing import capture_logs

import songserver.cli
from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, Privilege
from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest
from songs.v1.song_service_pb2 import ListSongsRequest, SearchSongsRequest
from songserver import __version__, groundwork
from songserver.app import METHODS
from songserver.auth.keys import load_keys
from songserver.cli import main
from songserver.config import Settings
from songserver.rpc import Method
from songserver.sources import ADMIN_PASSWORD_VARIABLE, POPULATE_PASSWORD_VARIABLE
from songserver.testing import SongServer
from tests.conftest import Caller
from tests.operations.conftest import QUICK, free_port

PASSWORD = "correct horse battery staple"

Run = Callable[..., click.testing.Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process, whose logs stay as they are; what it logs is left out."""
    monkeypatch.setattr(songserver.cli, "configure_logs", lambda _: None)
    monkeypatch.setattr(groundwork, "MONGODB_WAIT", 0.0)

    def run(*arguments: str, **options: Any) -> click.testing.Result:
        with capture_logs():
            return click.testing.CliRunner().invoke(main, arguments, **options)

    return run


@pytest.fixture
def database(song_server_settings: Settings) -> tuple[str, ...]:
    """The flags that name the database of `song_server`."""
    uri = song_server_settings.mongodb_uri
    assert uri
    return (
        f"--mongodb-uri={uri.get_secret_value()}",
        f"--mongodb-database={song_server_settings.mongodb_database}",
        *QUICK[:2],
    )


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """Gives a command, and all those below it, as the words that name it."""
    yield above
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name)


def error_of(result: click.testing.Result) -> str:
    """Gives the one line that a command ended with."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def test_the_command_is_also_a_module() -> None:
    command = [sys.executable, "-m", "songserver", "--version"]

    assert __version__ in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_each_command(run: Run, flag: str) -> None:
    shown = run(flag).output

    for name, command in main.commands.items():
        assert re.search(rf"^  {name} +\S", shown, re.MULTILINE)
        assert command.help
        assert run(name, flag).exit_code == 0


def test_export_policy_has_each_method_with_its_access(run: Run) -> None:
    lines = run("export-policy").output.splitlines()

    assert dict(map(str.split, lines)) == {
        method.path: Privilege.Name(method.access).removeprefix("PRIVILEGE_") for method in map(Method.of, METHODS)
    }
    assert "/songs.v1.UserService/SignIn PUBLIC" in lines


def test_create_admin_asks_for_the_password(run: Run, database: tuple[str, ...], song_server: SongServer) -> None:
    result = run("create-admin", "ada", *database, input=f"{PASSWORD}\n{PASSWORD}\n")

    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert result.output.endswith("made the admin account ada\n")
    assert Caller.sign_in(song_server, "ada", PASSWORD).me().privilege == PRIVILEGE_ADMIN


def test_create_admin_takes_the_password_from_the_environment(
    run: Run, database: tuple[str, ...], song_server: SongServer
) -> None:
    result = run("create-admin", "ada", *database, env={"SONGSERVER_ADMIN_PASSWORD": PASSWORD})

    assert result.output == "made the admin account ada\n"
    assert Caller.sign_in(song_server, "ada", PASSWORD).me().privilege == PRIVILEGE_ADMIN


def test_create_admin_works_on_a_mongodb_of_its_own(run: Run, tmp_path: Path) -> None:
    result = run("create-admin", "ada", f"--data-directory={tmp_path}", *QUICK[:2], f"--password={PASSWORD}")

    assert result.output == "made the admin account ada\n"
    assert (tmp_path / "mongodb" / "db").is_dir()


def test_create_admin_refuses_what_sign_up_refuses(run: Run, database: tuple[str, ...]) -> None:
    assert error_of(run("create-admin", "ada", *database, "--password=short")).startswith("password must ")
    assert error_of(run("create-admin", "a d a", *database, f"--password={PASSWORD}")).startswith("username must ")


def test_create_admin_refuses_a_taken_name(run: Run, database: tuple[str, ...], song_server: SongServer) -> None:
    song_server.sign_up("ada", PRIVILEGE_EDITOR)

    error = error_of(run("create-admin", "Ada", *database, f"--password={PASSWORD}"))

    assert error == "the user name 'Ada' is taken, or looks like one that is: choose another one"
    assert Caller.sign_in(song_server, "ada", PASSWORD).me().privilege == PRIVILEGE_EDITOR


def test_populate_makes_songs_and_editors_once(run: Run, database: tuple[str, ...], song_server: SongServer) -> None:
    first = run("populate", "--songs=20", "--users=2", *database)
    made = re.fullmatch(r"made (\d+) songs and 2 users with the password (\S+)\n", first.output)
    assert made
    count, password = int(made[1]), made[2]
    second = run("populate", "--songs=20", "--users=2", *database, env={"SONGSERVER_POPULATE_PASSWORD": PASSWORD})

    assert second.output == "made 0 songs and 0 users\n"
    user = Caller.sign_in(song_server, "user-2", password)
    assert user.me().privilege == PRIVILEGE_EDITOR
    assert user.songs.ListSongs(ListSongsRequest(exact_total=True)).total_size == count > 15


def test_reindex_lets_songs_be_found_again(run: Run, database: tuple[str, ...], song_server: SongServer) -> None:
    caller = Caller.new(song_server, PRIVILEGE_EDITOR)
    caller.create("Orange Horizon")
    uri = song_server.settings.mongodb_uri
    assert uri
    with pymongo.MongoClient[dict[str, Any]](uri.get_secret_value()) as client:
        client[song_server.settings.mongodb_database].vocabulary.delete_many({"_id": {"$ne": "other"}})
    request = SearchSongsRequest(query="ora hor")
    assert not caller.songs.SearchSongs(request).results

    done = run("reindex", *database)

    assert re.fullmatch(r"1 songs have 4 words; made anew: 0\n", done.output)
    assert [result.song.title for result in caller.songs.SearchSongs(request).results] == ["Orange Horizon"]


@pytest.mark.parametrize("command", ["serve", "create-admin"])
def test_a_mongodb_that_is_not_there_is_an_error(run: Run, tmp_path: Path, command: str) -> None:
    port = free_port()
    arguments = ["ada", f"--password={PASSWORD}"] if command == "create-admin" else []
    uri = f"mongodb://songs:hunter2@127.0.0.1:{port}"

    error = error_of(run(command, *arguments, f"--mongodb-uri={uri}", f"--data-directory={tmp_path}"))

    assert error.startswith(f"MongoDB is not there: 127.0.0.1:{port}: ")
    assert "hunter2" not in error


def test_wrong_credentials_are_an_error_at_once(
    run: Run, song_server_mongodb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groundwork, "MONGODB_WAIT", 10.0)
    uri = song_server_mongodb.replace("mongodb://", "mongodb://songs:hunter2@")
    begin = time.monotonic()

    error = error_of(run("serve", f"--mongodb-uri={uri}", f"--data-directory={tmp_path}"))

    assert error == "MongoDB does not let us in: Authentication failed; look at mongodb_uri"
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://songs:hunter2@db.example", "URI must begin with 'mongodb://' or 'mongodb\\+srv://'"),
        ("mongodb://songs:hunter2/x@db.example", "must be escaped according to RFC 3986"),
        ("mongodb://songs:x:hunter2@db.example", "must be escaped according to RFC 3986"),
        ("mongodb://songs:hunter2@db.example:port", "Port contains non-digit"),
        ("mongodb+srv://songs:hunter2@nowhere.invalid", "nowhere.invalid"),
        ("mongodb://songs:hunter2@db.example/?tlsCAFile=/none.pem", "No such file or directory: '/none.pem'"),
        ("mongodb://", "at least one hostname"),
    ],
)
def test_a_uri_that_is_none_is_an_error_without_its_password(run: Run, tmp_path: Path, uri: str, why: str) -> None:
    error = error_of(run("serve", f"--data-directory={tmp_path}", env={"MONGODB_URI": uri}))

    assert "mongodb_uri" in error
    assert re.search(why, error)
    assert "hunter2" not in error


def test_a_setting_that_is_wrong_is_an_error(run: Run) -> None:
    error = error_of(run("serve", "--max-calls=0"))

    assert error.startswith("max_calls: Input should be greater than or equal to 1, not 0 (")


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


def test_audit_verify_tells_of_a_log_that_is_whole_and_of_one_that_is_not(
    run: Run, database: tuple[str, ...], song_server: SongServer
) -> None:
    for name in ("ada", "bob", "carl"):
        song_server.sign_up(name)
    said = run("audit", "verify", *database).output
    whole = re.fullmatch(r"3 entries, each as it was written; the last one is (3:[0-9a-f]{64})\n", said)
    assert whole
    assert run("audit", "verify", *database, f"--head={whole[1]}").exit_code == 0

    settings = song_server.settings
    assert settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        client[settings.mongodb_database]["audit"].delete_one({"_id": 2})
    result = run("audit", "verify", *database)

    assert result.exit_code == 1
    assert "2" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: the audit log was tampered with: ")


def test_audit_verify_wants_a_head_that_is_one(run: Run, database: tuple[str, ...]) -> None:
    result = run("audit", "verify", *database, "--head=3")

    assert result.exit_code == 2
    assert "'3' is no NUMBER:HASH" in result.stderr


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


@pytest.mark.parametrize("command", sorted(" ".join(words) for words in commands(main)))
def test_help_shows_no_secret(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MONGODB_URI", "SONGSERVER_MONGODB_URI", ADMIN_PASSWORD_VARIABLE, POPULATE_PASSWORD_VARIABLE):
        monkeypatch.setenv(variable, "mongodb://songs:hunter2@db.example/")

    result = click.testing.CliRunner().invoke(main, [*command.split(), "--help"])

    assert result.exit_code == 0
    assert "--help" in result.output
    assert "hunter2" not in result.output


def test_logs_of_commands_do_not_mix_with_what_they_print(song_server_mongodb: str, tmp_path: Path) -> None:
    uri = song_server_mongodb.replace("mongodb://", "mongodb://songs:hunter2@")
    command = [sys.executable, "-m", "songserver", "populate", f"--mongodb-uri={uri}", f"--data-directory={tmp_path}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1].startswith("Error: MongoDB does not let us in: ")
    assert "Traceback" not in ended.stderr
