"""The client as people use it: all calls, in one session."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from songclient.aio.accounts import AsyncAccountCalls
from songclient.aio.api_keys import AsyncApiKeyCalls
from songclient.aio.audit import AsyncAuditCalls
from songclient.aio.bulk import AsyncBulkCalls
from songclient.aio.connection import AsyncConnection
from songclient.aio.finding import AsyncFindingCalls
from songclient.aio.songs import AsyncSongCalls
from songclient.aio.streams import AsyncStreamCalls
from songclient.aio.users import AsyncUserCalls
from songclient.aio.watching import AsyncWatchCalls
from songclient.channel import TLS, USER_AGENT
from songs.v1.user_pb2 import Session


class AsyncSongClient(
    AsyncSongCalls,
    AsyncBulkCalls,
    AsyncWatchCalls,
    AsyncFindingCalls,
    AsyncStreamCalls,
    AsyncAccountCalls,
    AsyncApiKeyCalls,
    AsyncUserCalls,
    AsyncAuditCalls,
):
    """A client of the song server.

    It signs in with the first call that needs it, renews its session by itself, and sends again
    what the contract says can be sent again. One client serves any number of concurrent calls; make
    it where its event loop runs.

    Every method raises a `SongClientError`: of the class that stands for the contract's code, or
    `ServerUnavailable`, or `DeadlineExceeded`. `timeout` is in seconds, and of each request that
    the method makes; what is not given here is that of the client.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        username: str | None = None,
        password: str | None = None,
        session: Session | None = None,
        api_key: str | None = None,
        on_session: Callable[[Session | None], None] | None = None,
        tls: TLS | None = None,
        timeout: float = 10.0,
        user_agent: str = USER_AGENT,
    ) -> None:
        """Make a client; it connects with its first call.

        `username` and `password` sign in when there is no session, or when it is over; `session`
        goes on with one that was kept. `on_session` is called with every new session, so that it
        can be kept, and with None when it is over. `api_key` takes the place of all these. Without
        `tls` the connection is not encrypted. `user_agent` is what the program is called in lists of
        sessions, such as "jukebox/2.1".

        Raises ValueError for a user name without a password, a password without a user name, or an
        API key beside either of them or a session.
        """
        connection = AsyncConnection(
            address,
            username=username,
            password=password,
            session=session,
            api_key=api_key,
            on_session=on_session,
            tls=tls,
            timeout=timeout,
            user_agent=user_agent,
        )
        AsyncSongCalls.__init__(self, connection)
        AsyncBulkCalls.__init__(self, connection)
        AsyncWatchCalls.__init__(self, connection)
        AsyncFindingCalls.__init__(self, connection)
        AsyncStreamCalls.__init__(self, connection)
        AsyncAccountCalls.__init__(self, connection)
        AsyncApiKeyCalls.__init__(self, connection)
        AsyncUserCalls.__init__(self, connection)
        AsyncAuditCalls.__init__(self, connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection. The session stays good; `sign_out` ends it."""
        await self._connection.channel.close()
