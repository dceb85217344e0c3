"""Pages, one after the other."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar


class Page(Protocol):
    """What a list answers."""

    @property
    def next_page_token(self) -> str:
        """What to ask for the next page with; empty on the last one."""


P = TypeVar("P", bound=Page)


async def pages(fetch: Callable[[str], Awaitable[P]]) -> AsyncIterator[P]:
    """Fetch page after page, from the first to the last."""
    page = await fetch("")
    yield page
    while page.next_page_token:
        page = await fetch(page.next_page_token)
        yield page
