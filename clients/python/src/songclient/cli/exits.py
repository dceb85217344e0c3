"""How a run ends: its exit code, and what is said on standard error when it failed."""

import math
import os
import sys
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NoReturn

import click

from songclient import ApiKeyNotFound, LastAdmin, PrivilegeError, SessionNotFound, SignInFailed, SongClientError
from songclient.cli.run import API_KEY_VARIABLE

LONG_WAIT = 120.0
"""Seconds to wait that are told in minutes if there are more."""


class Exit(IntEnum):
    """The exit codes of songctl."""

    OK = 0
    FAILED = 1
    """The server refused the call, or none answered; or a file cannot be read or written."""
    USAGE = 2
    """The command line is not one."""
    REJECTED = 3
    """An import, or a change of many songs, went through, but some were rejected."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT."""
    BROKEN_PIPE = 141
    """The reader of the output went away: 128 + SIGPIPE."""


EXIT_CODES = (
    "Exit codes: 0 done; 1 the call failed; 2 the command line cannot be understood; "
    "3 some rows of an import, or songs of a change, were rejected; 130 interrupted."
)


class ReportingGroup(click.Group):
    """A group of commands whose failures are told in one line, and never as a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run, say what went wrong if anything did, and exit. Raises SystemExit."""
        kwargs.setdefault("prog_name", "songctl")
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs) or Exit.OK)
        except click.Abort as abort:
            sys.exit(_report_abort(abort))
        except click.ClickException as error:
            sys.exit(_report_usage(error))
        except SongClientError as error:
            _say(*explain(error))
        except OSError as error:
            _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(Exit.FAILED)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the commands in the order in which a person comes to need them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a pipe that its reader has closed ends it in silence."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is still in the buffer would fail once more when the interpreter flushes it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(Exit.BROKEN_PIPE)


def explain(error: SongClientError) -> list[str]:
    """Give the line that says what failed and what to do, and one for each further broken rule."""
    line = error.message
    with_key = os.environ.get(API_KEY_VARIABLE)
    match error:
        case SignInFailed() if with_key:
            line = f"{API_KEY_VARIABLE} is refused ({line}): set another, or unset it and run `songctl login`"
        case SignInFailed():
            line = f"the session is over ({line}): run `songctl login`"
        case PrivilegeError() if with_key:
            line += f" ({API_KEY_VARIABLE} is set, and goes before the session of `songctl login`)"
        case LastAdmin():
            line += " (`songctl users set-privilege NAME admin`)"
        case SessionNotFound():
            line += " (`songctl sessions list`)"
        case ApiKeyNotFound():
            line += " (`songctl keys list`)"
    if error.retry_after is not None:
        line += f" (wait {wait_text(error.retry_after)})"
    broken = explain_violations((each.field, each.description) for each in error.violations)
    match broken:
        case []:
            return [line]
        case [only]:
            return [only]
        case _:
            return [f"{len(broken)} things are wrong:", *(f"  {each}" for each in broken)]


def wait_text(seconds: float) -> str:
    """Give a time to wait: up to two minutes in seconds, then in minutes, rounded up."""
    return f"{seconds:.3g} s" if seconds <= LONG_WAIT else f"{math.ceil(seconds / 60)} min"


def explain_violations(violations: Iterable[tuple[str, str]]) -> list[str]:
    """Give for each broken rule the field, as a person knows it, and what it must be."""
    return [f"{field.removeprefix('song.')}: {description}" for field, description in violations]


def _report_abort(abort: click.Abort) -> Exit:
    # Click hides which of the two it was behind the same exception.
    cause = abort.__cause__ or abort.__context__
    if isinstance(cause, EOFError):
        # The question stands unanswered on the line.
        click.echo(err=True)
        _say("the input ended before the answer: see --help for how to give it without a terminal")
        return Exit.USAGE
    return Exit.INTERRUPTED


def _report_usage(error: click.ClickException) -> int:
    line = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        line = f"{line.rstrip('.')} (see `{error.ctx.command_path} --help`)"
    _say(line)
    return error.exit_code


def _say(line: str, *more: str) -> None:
    click.echo("\n".join([f"songctl: {line}", *more]), err=True)
