"""The command for the audit log."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from itertools import islice

import click

from songclient import AuditEvent, AuditFilter, PrivilegeError, SongClient, UserNotFound, UserParseError
from songclient.cli.display import event_row
from songclient.cli.output import Fields
from songclient.cli.run import Run, pass_run
from songclient.cli.users import who

PAGE = 1000
"""How many events a page has at the most."""


def read_time(text: str) -> datetime:
    """Read a time (ISO 8601), in UTC unless it says otherwise. Raises click.BadParameter."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time such as 2026-01-31 or 2026-01-31T15:04:05Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@click.command()
@click.option("--by", metavar="NAME|ID", help="Only what this user has done.")
@click.option("--on", metavar="NAME|ID", help="Only what was done to this user, song, key or session.")
@click.option("--action", help='Only this, such as "SetPrivilege" or "refresh-token-reused".')
@click.option("--since", type=read_time, metavar="TIME", help="From this time on: 2026-01-31, or 2026-01-31T15:04:05Z.")
@click.option("--until", type=read_time, metavar="TIME", help="Before this time.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at the most.")
@click.option("--all", "everything", is_flag=True, help="As many as there are.")
@pass_run
def audit(
    run: Run,
    /,
    *,
    by: str | None,
    on: str | None,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    everything: bool,
) -> None:
    """Show who has done what with a privilege (for admins).

    The latest is first. A table has names where a list in a pipe has ids; --json has also the
    request, the API key, and the hashes of the chain.
    """
    with run.connect() as client:
        wanted = AuditFilter(actor_id=_id(client, by), target_id=_id(client, on), action=action or "")
        if since is not None:
            wanted.start_time.FromDatetime(since)
        if until is not None:
            wanted.end_time.FromDatetime(until)
        # One more than is shown tells whether there are more.
        size = PAGE if everything else min(limit + 1, PAGE)
        events = client.list_audit_events(filter=wanted, page_size=size)
        name = _names(client) if run.output.tables else str

        def show(event: AuditEvent) -> Fields:
            return event_row(event, name)

        run.output.many(events if everything else islice(events, limit), show)
        if not everything and next(iter(events), None) is not None:
            run.output.note("there are more: --limit or --all shows them")


def _id(client: SongClient, name_or_id: str | None) -> str:
    """Give an id as it is, and of a user's name the user's id."""
    if name_or_id is None:
        return ""
    named = who(name_or_id)
    return named["user_id"] if "user_id" in named else client.get_user(**named).id


def _names(client: SongClient) -> Callable[[str], str]:
    """Give what says the name of a user, and of what is none the id."""

    @cache
    def name(any_id: str) -> str:
        try:
            return client.get_user(user_id=any_id).username
        except (UserNotFound, UserParseError, PrivilegeError):
            # Something else, a user who is gone, or an API key that may not look.
            return any_id

    return name
