"""Settings: from flags, the environment and a file; what is wrong with one is said by its name, and no secret is."""

import json
import os
import re
import traceback
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr, ValidationError

from songserver.config import Settings, default_directory, environment_name
from songserver.flags import describe_default, settings_flags
from songserver.sources import SettingsError, load_settings

SECRET = "hunter2"
URI = f"mongodb://songs:{SECRET}@db.example/?replicaSet=rs0"
VALUES: dict[str, Any] = {
    "listen": "0.0.0.0:4000",
    "data_directory": "/srv/songs",
    "mongodb_uri": URI,
    "mongodb_database": "catalogue",
    "mongodb_timeout": 2.5,
    "keys_directory": "/srv/keys",
    "token_issuer": "issuer.example",
    "token_audience": "audience.example",
    "access_token_lifetime": 60,
    "session_lifetime": 3600,
    "session_memory": 0.5,
    "sign_up_privilege": "editor",
    "sign_in_failures": 7,
    "sign_in_failures_by_peer": 70,
    "sign_in_lockout": 60.5,
    "argon2_time_cost": 2,
    "argon2_memory_cost": 1024,
    "argon2_threads": 3,
    "max_calls": 50,
    "max_message_bytes": 2048,
    "max_metadata_bytes": 8192,
    "max_connection_streams": 200,
    "max_watches": 50,
    "peer_calls": 500.5,
    "peer_calls_burst": 600,
    "shutdown_grace": 3.5,
    "workers": 3,
    "engine": "envoy",
    "max_connection_age": 60.5,
    "max_connection_idle": 30.5,
    "metrics_listen": "127.0.0.1:9464",
    "reflection": False,
    "channelz": True,
    "log_level": "debug",
    "log_format": "json",
}
"""Another value than the default for each setting but two sorts: the files of TLS must be there, see test_tls.py, and
cors_origins goes with Envoy only."""
EACH = pytest.mark.parametrize("name", VALUES)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set but by the test."""
    for name in os.environ:
        if name.startswith("SONGSERVER_") or name == "MONGODB_URI":
            monkeypatch.delenv(name)


def value_of(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


def by_flags(*arguments: str) -> Result:
    """Runs a command that takes all settings; it prints them."""

    @click.command()
    @settings_flags
    def command(settings: Settings) -> None:
        click.echo(json.dumps({name: value_of(settings, name) for name in Settings.model_fields}))

    return CliRunner().invoke(command, arguments)


def test_each_setting_is_tried_here() -> None:
    assert {*VALUES, "cors_origins", "tls_certificate", "tls_key", "tls_client_ca"} == set(Settings.model_fields)
    assert all(value_of(Settings(), name) != value for name, value in VALUES.items())


@EACH
def test_by_flag(name: str) -> None:
    flag, value = "--" + name.replace("_", "-"), VALUES[name]
    if isinstance(value, bool):
        result = by_flags(flag if value else flag.replace("--", "--no-"))
    else:
        result = by_flags(flag, str(value))

    assert json.loads(result.output)[name] == value


@EACH
def test_by_environment_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "MONGODB_URI" if name == "mongodb_uri" else "SONGSERVER_" + name.upper()
    monkeypatch.setenv(variable, str(VALUES[name]))

    assert value_of(load_settings(), name) == VALUES[name]


def test_what_only_one_engine_has_is_refused_for_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGSERVER_CORS_ORIGINS", "https://songs.example,http://127.0.0.1:8000")
    with pytest.raises(SettingsError, match="set engine to envoy"):
        load_settings()

    assert load_settings({"engine": "envoy"}).cors_origins == "https://songs.example,http://127.0.0.1:8000"
    with pytest.raises(SettingsError, match="set engine to grpcio"):
        load_settings({"engine": "envoy", "channelz": True})
    monkeypatch.setenv("SONGSERVER_CORS_ORIGINS", "songs.example")
    with pytest.raises(SettingsError, match="cors_origins"):
        load_settings({"engine": "envoy"})


@EACH
def test_by_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "songs.toml"
    file.write_text(f"{name} = {json.dumps(VALUES[name])}\n")

    assert value_of(load_settings(file=file), name) == VALUES[name]


def test_flags_count_before_the_environment_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "songs.toml"
    file.write_text("max_calls = 1\nargon2_threads = 1\nlog_level = 'debug'\n")
    monkeypatch.setenv("SONGSERVER_CONFIG", str(file))
    monkeypatch.setenv("SONGSERVER_MAX_CALLS", "2")
    monkeypatch.setenv("SONGSERVER_ARGON2_THREADS", "4")

    settings = json.loads(by_flags("--max-calls", "3").output)

    assert (settings["max_calls"], settings["argon2_threads"], settings["log_level"]) == (3, 4, "debug")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGSERVER_KEYS_DIRECTORY", "")
    monkeypatch.setenv("MONGODB_URI", "")

    assert load_settings().keys_directory is None
    assert load_settings().mongodb_uri is None


def test_variables_of_the_commands_are_no_unknown_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SONGSERVER_ADMIN_PASSWORD", "SONGSERVER_POPULATE_PASSWORD", "SONGSERVER_TEST_MONGODB_URI"):
        monkeypatch.setenv(variable, "something")

    assert load_settings().model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"listen": "4000"}, "listen: .*, not '4000' .*host:port"),
        ({"mongodb_database": "a.b"}, "mongodb_database: .*, not 'a.b'"),
        ({"mongodb_database": "a" * 39}, "mongodb_database: .*, not 'aaa"),
        ({"mongodb_timeout": 0}, "mongodb_timeout: .*greater than 0, not 0 .*Seconds"),
        ({"mongodb_timeout": 61}, "mongodb_timeout: .*less than or equal to 60, not 61"),
        ({"access_token_lifetime": 86401}, "access_token_lifetime: .*less than or equal to 86400, not 86401"),
        ({"session_memory": 6}, "session_memory: .*less than or equal to 5, not 6"),
        ({"sign_up_privilege": "admin"}, "sign_up_privilege: .*'listener' or 'editor', not 'admin'"),
        ({"max_calls": 0}, "max_calls: .*greater than or equal to 1, not 0"),
        ({"max_message_bytes": "many"}, "max_message_bytes: .*integer.*, not 'many' .*in bytes"),
        ({"max_metadata_bytes": 5000}, "max_metadata_bytes: .*multiple of 1024, not 5000 .*in bytes"),
        ({"peer_calls": -1}, "peer_calls: .*greater than or equal to 0, not -1 .*Calls a second"),
        ({"peer_calls": float("inf")}, "peer_calls: .*finite number, not inf"),
        ({"shutdown_grace": -1}, "shutdown_grace: .*greater than or equal to 0, not -1 .*Seconds"),
        ({"reflection": "perhaps"}, "reflection: .*boolean.*, not 'perhaps'"),
        ({"log_level": "loud"}, "log_level: .*'debug', 'info', 'warning' or 'error', not 'loud'"),
        ({"colour": "red"}, "colour: there is no such setting; `songserver serve --help` has them all"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(flags)


def test_all_that_is_wrong_is_told_at_once() -> None:
    result = by_flags("--max-calls=0", "--argon2-threads=0")

    assert result.exit_code == 1
    assert result.output.startswith("Error: argon2_threads: ")
    assert "\nmax_calls: " in result.output


def test_a_slip_of_the_pen_in_a_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGSERVER_MAX_CALS", "5")

    with pytest.raises(
        SettingsError, match="there is no setting SONGSERVER_MAX_CALS; do you mean SONGSERVER_MAX_CALLS"
    ):
        load_settings()


def test_variables_that_kubernetes_sets_for_a_service_of_this_name_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SERVICE_HOST",
        "SERVICE_PORT",
        "PORT",
        "PORT_50051_TCP",
        "PORT_50051_TCP_ADDR",
        "PORT_50051_TCP_PROTO",
    ):
        monkeypatch.setenv(f"SONGSERVER_{name}", "tcp://10.0.0.1:50051")

    assert load_settings().model_dump() == Settings().model_dump()


def test_the_uri_may_have_the_prefix_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONGSERVER_MONGODB_URI", URI)

    uri = load_settings().mongodb_uri
    assert uri
    assert uri.get_secret_value() == URI


def test_a_path_may_begin_with_the_home_directory(tmp_path: Path) -> None:
    file = tmp_path / "songs.toml"
    file.write_text('data_directory = "~/songs"')

    assert load_settings(file=file).data_directory == Path.home() / "songs"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"max_cals = 5", "max_cals: there is no such setting"),
        (b"[server]\nmax_calls = 5", "server: there is no such setting"),
        (b"max_calls = ", "songs.toml is no TOML: "),
        (b"listen = '\xff'", "songs.toml is no TOML: "),
    ],
)
def test_a_file_with_something_wrong_in_it_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "songs.toml"
    file.write_bytes(content)

    with pytest.raises(SettingsError, match=message):
        load_settings(file=file)


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / name

    with pytest.raises(SettingsError, match=f"cannot read the settings file: .*'{file}'"):
        load_settings(file=file)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().max_calls = 5


def test_no_secret_is_shown_of_good_settings() -> None:
    settings = load_settings({"mongodb_uri": URI})

    assert SECRET not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert settings.mongodb_uri
    assert settings.mongodb_uri.get_secret_value() == URI


@pytest.mark.parametrize("flags", [{"mongodb_uri": [URI]}, {"mongodb_uri": URI, "max_calls": 0}, {"mongodb_url": URI}])
def test_no_secret_is_shown_of_bad_settings(flags: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_help_names_each_setting_with_its_variable_and_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", URI)
    shown = re.sub(r"\s+", " ", by_flags("--help").output)

    assert SECRET not in shown
    for name, field in Settings.model_fields.items():
        default = describe_default(field)
        assert "--" + name.replace("_", "-") in shown
        assert re.search(rf"\[{environment_name(name)}(; default {re.escape(default)})?\]", shown)
        assert (f"default {default}]" in shown) or not default
        assert field.description
        assert field.description in shown


def test_the_default_directory_is_shown_without_the_name_of_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    assert describe_default(Settings.model_fields["data_directory"]).startswith("~/")


def test_default_directory_is_the_users_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_directory() == Path("/data/songserver")
    for ignored in ("relative", ""):
        monkeypatch.setenv("XDG_DATA_HOME", ignored)
        assert default_directory() == Path("/home/ana/.local/share/songserver")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_directory() == Path("/home/ana/.local/share/songserver")
