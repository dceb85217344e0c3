"""The command itself: what stands before the names of its commands."""

from pathlib import Path

import click

from songclient import TLS
from songclient.cli import (
    accounts,
    audit,
    bulk,
    duplicates,
    editing,
    exporting,
    finding,
    importing,
    keys,
    own_data,
    sessions,
    songs,
    users,
    watching,
)
from songclient.cli.completion import completion
from songclient.cli.exits import EXIT_CODES, ReportingGroup
from songclient.cli.output import Output
from songclient.cli.run import Run
from songclient.cli.session_file import SessionFile, sessions_directory

pem_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=ReportingGroup, epilog=EXIT_CODES)
@click.option(
    "--server",
    envvar="SONGCTL_SERVER",
    default="127.0.0.1:50051",
    show_default=True,
    show_envvar=True,
    metavar="HOST:PORT",
    help="The song server.",
)
@click.option("--tls", "use_tls", is_flag=True, help="Connect with TLS; each option below does too.")
@click.option("--ca", type=pem_file, help="Trust the authorities in this PEM file.")
@click.option("--cert", type=pem_file, help="The client's own certificate, for mutual TLS.")
@click.option("--key", type=pem_file, help="The private key of --cert.")
@click.option("--server-name", help="The name in the server's certificate, if not the address.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a call may take; an import as a whole may take any time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; lists a document a line.")
@click.version_option(package_name="song-client", prog_name="songctl")
@click.pass_context
def main(
    ctx: click.Context,
    /,
    *,
    server: str,
    use_tls: bool,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    server_name: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Work with the song server: its catalogue, your account, its users.

    Begin with `songctl signup NAME` or `songctl login NAME`. The session is kept in a file for
    you alone, in SONGCTL_SESSION or songctl/ in your state directory. Machines have an API key in
    SONGCTL_API_KEY instead; where it is set, it goes before the session.
    """
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together")
    tls = None
    if use_tls or ca or cert or server_name:
        tls = TLS.from_files(ca, certificate=cert, key=key, server_name=server_name)
    ctx.obj = Run(
        address=server,
        tls=tls,
        timeout=timeout,
        output=Output(as_json=as_json),
        session=SessionFile(sessions_directory(), server),
    )


for command in (
    accounts.signup,
    accounts.login,
    accounts.logout,
    accounts.whoami,
    accounts.passwd,
    sessions.sessions,
    keys.keys,
    editing.add,
    songs.show,
    finding.search,
    finding.suggest,
    songs.list_,
    finding.count,
    editing.edit,
    songs.rm,
    bulk.edit_all,
    bulk.rm_all,
    duplicates.duplicates,
    duplicates.merge,
    watching.watch,
    importing.import_,
    exporting.export,
    users.users,
    audit.audit,
    own_data.export_me,
    own_data.delete_me,
    completion,
):
    main.add_command(command)
