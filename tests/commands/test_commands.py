"""The commands of `songserver` beside `serve`, and what an operator reads when something cannot work."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import click.testing
import pymongo
import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, Privilege
from songs.v1.song_service_pb2 import ListSongsRequest, SearchSongsRequest
from songserver import __version__, groundwork
from songserver.app import METHODS
from songserver.cli import main
from songserver.rpc import Method
from songserver.sources import ADMIN_PASSWORD_VARIABLE, POPULATE_PASSWORD_VARIABLE
from songserver.testing import SongServer
from tests.commands.conftest import Run, error_of
from tests.conftest import Caller
from tests.operations.conftest import QUICK, free_port

PASSWORD = "correct horse battery staple"


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """Gives a command, and all those below it, as the words that name it."""
    yield above
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name)


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
