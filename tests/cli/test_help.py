"""Every command says what it does, and every option what it is for."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from songclient.cli import main

COMMANDS = {
    "signup", "login", "logout", "whoami", "passwd", "add", "show", "search", "suggest", "list", "count", "edit", "rm",
    "edit-all", "rm-all", "duplicates", "merge", "watch",
    "import", "export", "users", "users list", "users show", "users set-privilege", "users disable", "users enable",
    "users rm",
    "sessions", "sessions list", "sessions revoke", "keys", "keys create", "keys list", "keys revoke",
    "audit", "export-me", "delete-me", "completion",
}  # fmt: skip


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


ALL = dict(commands(main))


def test_the_commands_are_those_of_the_contract_with_its_users() -> None:
    assert set(ALL) == COMMANDS


@pytest.mark.parametrize("path", ["", *ALL])
def test_a_command_is_documented(path: str) -> None:
    command = ALL.get(path, main)
    assert command.help, f"`songctl {path}` has no help"
    first_line = command.get_short_help_str(limit=200)
    assert first_line.endswith("."), f"`songctl {path}` does not begin with a sentence"
    undocumented = [
        parameter.opts for parameter in command.params if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert not undocumented


@pytest.mark.parametrize("path", ALL)
def test_what_a_command_does_is_not_cut_in_the_list_of_commands(path: str) -> None:
    assert not ALL[path].get_short_help_str(limit=60).endswith("...")


def test_the_commands_are_listed_in_the_order_in_which_they_are_needed() -> None:
    listed = CliRunner().invoke(main, ["--help"]).stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed[: len(main.commands)]] == list(main.commands)
    assert list(main.commands)[:2] == ["signup", "login"]


def test_no_option_takes_a_password() -> None:
    options = {option for command in ALL.values() for parameter in command.params for option in parameter.opts}
    assert {option for option in options if "pass" in option} == {"--password-stdin"}
