# Generated from songclient/aio by unasync.py: change it there.
"""Pages, one after the other."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar


class Page(Protocol):
    """What a list answers."""

    @property
    def next_page_token(self) -> str:
        """What to ask for the next page with; empty on the last one."""


P = TypeVar("P", bound=Page)


def pages(fetch: Callable[[str], P]) -> Iterator[P]:
    """Fetch page after page, from the first to the last."""
    page = fetch("")
    yield page
    while page.next_page_token:
        page = fetch(page.next_page_token)
        yield page
