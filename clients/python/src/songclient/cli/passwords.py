"""Asks for passwords, which never stand in an argument: others could read them there."""

import getpass
import os
import sys
import warnings

import click

HOW_TO_GIVE = (
    "The password is asked for; without a terminal give it on standard input (--password-stdin) "
    "or in the environment (SONGCTL_PASSWORD)."
)

password_stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from a line of standard input."
)


def ask_password(prompt: str, *, from_stdin: bool, variable: str = "SONGCTL_PASSWORD", confirm: bool = False) -> str:
    """Give the password from the next line of standard input, the environment or the terminal.

    Raises click.UsageError if it is in none of them.
    """
    if from_stdin:
        if password := sys.stdin.readline().rstrip("\r\n"):
            return password
        raise click.UsageError("--password-stdin: standard input has no line with the password")
    if password := os.environ.get(variable):
        return password
    with warnings.catch_warnings():
        # Without a terminal getpass would warn, and show what is typed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            password = click.prompt(prompt, type=str, hide_input=True, confirmation_prompt=confirm, err=True)
        except getpass.GetPassWarning:
            raise click.UsageError(f"no terminal to ask for the password: use --password-stdin or {variable}") from None
    return password
