# Generated from songclient/aio by unasync.py: change it there.
"""A channel, the session in which its calls are made, and how they fail."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from threading import Lock
from time import sleep
from typing import Final, TypeVar

import grpc
from google.protobuf.message import Message

from songclient.channel import TLS, open_channel
from songclient.errors import Overloaded, SignInFailed, TooManyCalls, read_error
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2 import (
    GetMeRequest,
    RefreshSessionRequest,
    SignInRequest,
    SignInResponse,
)
from songs.v1.user_service_pb2_grpc import UserServiceStub

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

RENEW_AFTER: Final = 0.9
"""Which part of an access token's life passes before it is renewed."""
RESENDS: Final = 2
"""How often a call is sent again that the server had no room for."""


class Connection:
    """Makes calls in a session that it begins and renews by itself.

    A session is renewed shortly before its access token ends, and once when the server refuses it
    all the same. A refresh token is good for one use: calls that come together share one renewal.
    With an API key there is no session, and nothing to renew.
    """

    def __init__(
        self,
        address: str,
        *,
        username: str | None,
        password: str | None,
        session: Session | None,
        api_key: str | None,
        on_session: Callable[[Session | None], None] | None,
        tls: TLS | None,
        timeout: float,
        user_agent: str,
    ) -> None:
        if (username is None) != (password is None):
            missing = "password" if password is None else "username"
            raise ValueError(f"to sign in, give username and password together: {missing} is missing")
        if api_key is not None and (username is not None or session is not None):
            raise ValueError("an API key stands alone: give neither username and password nor a session with it")
        self.address = address
        self.channel = open_channel(address, tls, user_agent)
        self.users = UserServiceStub(self.channel)
        self._credentials = (
            None if username is None or password is None else SignInRequest(username=username, password=password)
        )
        self._session = session
        self._api_key = api_key
        self._renew_at = _renewal_time(session)
        self._on_session = on_session
        self._timeout = timeout
        self._lock = Lock()

    @property
    def signed_in(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Q, R],
        request: Q,
        timeout: float | None = None,
        *,
        renew: bool = True,
    ) -> R:
        """Make a call in the session, or with the API key.

        It is made again once if the server refuses the session and this can be renewed; not so
        without `renew`. Raises SongClientError.
        """
        session = self._current()
        try:
            return self.send(method, request, timeout, self._token(session))
        except SignInFailed:
            if session is None or not renew:
                raise
            session = self._renew(session)
            if session is None:
                raise
        return self.send(method, request, timeout, self._token(session))

    def send(
        self,
        method: grpc.UnaryUnaryMultiCallable[Q, R],
        request: Q,
        timeout: float | None = None,
        token: str | None = None,
    ) -> R:
        """Make a call, with a token or without.

        What the server had no room for, it has not begun: it is sent again when the server says, if
        that is within the timeout. Raises SongClientError.
        """
        give_up = time.monotonic() + (self._timeout if timeout is None else timeout)
        resent = 0
        while True:
            try:
                return method(request, timeout=give_up - time.monotonic(), metadata=_metadata(token))
            except grpc.RpcError as error:
                failure = read_error(error, self.address)
                wait = failure.retry_after if isinstance(failure, Overloaded | TooManyCalls) else None
                if wait is None or resent == RESENDS or time.monotonic() + wait >= give_up:
                    raise failure from error
            sleep(wait)
            resent += 1

    def stream(self, method: grpc.UnaryStreamMultiCallable[Q, R], request: Q, timeout: float | None) -> Iterator[R]:
        """Make a call that is answered with a stream. `timeout` is of the whole. Raises SongClientError."""
        # What must be renewed of the session is so before: a stream cannot begin again.
        self.check()
        call = method(request, timeout=timeout, metadata=self.metadata())
        try:
            for response in call:
                yield response
        except grpc.RpcError as error:
            raise read_error(error, self.address) from error
        finally:
            # Whoever stops before the end leaves no call behind.
            call.cancel()

    def check(self, timeout: float | None = None) -> None:
        """Make sure of the session, renewed if it must be. Raises SignInFailed."""
        # An API key is not renewed, and may not be for GetMe.
        if self._session is not None or self._api_key is None:
            self.call(self.users.GetMe, GetMeRequest(), timeout)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Get the metadata of a call in the session, or with the API key."""
        return _metadata(self._token(self._current()))

    def sign_in(self, username: str, password: str, timeout: float | None) -> SignInResponse:
        """Begin a session, in place of the one there is."""
        credentials = SignInRequest(username=username, password=password)
        with self._lock:
            response = self.send(self.users.SignIn, credentials, timeout)
            self._credentials = credentials
            self._set(response.session)
        return response

    def refresh(self, timeout: float | None) -> None:
        """Renew the session, or begin it. Raises SignInFailed if it is over."""
        self._renew(self._session, timeout)

    def forget(self) -> None:
        """Drop session and credentials."""
        with self._lock:
            self._api_key = None
            self._credentials = None
            self._set(None)

    def change_credentials(self, *, username: str | None = None, password: str | None = None) -> None:
        """Keep the credentials right after the user has changed them."""
        if self._credentials is not None:
            self._credentials = SignInRequest(
                username=username or self._credentials.username,
                password=password or self._credentials.password,
            )

    def _token(self, session: Session | None) -> str | None:
        return self._api_key if session is None else session.access_token

    def _current(self) -> Session | None:
        """Get the session, begun or renewed if it is time."""
        session = self._session
        if time.monotonic() >= self._renew_at or (session is None and self._credentials is not None):
            return self._renew(session)
        return session

    def _renew(self, stale: Session | None, timeout: float | None = None) -> Session | None:
        """Get the session that follows a stale one, or a first one; None if nothing begins it."""
        with self._lock:
            if self._session is not stale:
                return self._session
            if stale is not None:
                try:
                    request = RefreshSessionRequest(refresh_token=stale.refresh_token)
                    return self._set((self.send(self.users.RefreshSession, request, timeout)).session)
                except SignInFailed:
                    if self._credentials is None:
                        self._set(None)
                        raise
            if self._credentials is None:
                return None
            return self._set((self.send(self.users.SignIn, self._credentials, timeout)).session)

    def _set(self, session: Session | None) -> Session | None:
        self._session = session
        self._renew_at = _renewal_time(session)
        if self._on_session is not None:
            self._on_session(session)
        return session


def _metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    return () if token is None else (("authorization", f"Bearer {token}"),)


def _renewal_time(session: Session | None) -> float:
    """Say when to renew a session, on the monotonic clock in seconds."""
    left = session.access_token_expire_time.ToNanoseconds() / 1e9 - time.time() if session is not None else 0
    # One that seems to be over may only show that the clocks differ: the server's refusal decides.
    return time.monotonic() + RENEW_AFTER * left if left > 0 else math.inf
