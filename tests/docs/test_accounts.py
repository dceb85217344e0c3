"""What docs/accounts.md shows is so."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import jwt
import pytest

from songclient import JsonWebKey, SongClient
from songserver.testing import SongServer
from tests.conftest import Caller
from tests.docs.conftest import Live, blocks, run_commands

PAGE = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text()


class Verifier(Protocol):
    """The worked example."""

    def user_id(self, token: str) -> str:
        """Whose a token is."""


@pytest.fixture
def make_verifier() -> Callable[[SongClient], Verifier]:
    (example,) = blocks("python", PAGE)
    names: dict[str, object] = {}
    exec(example, names)
    return cast(Callable[[SongClient], Verifier], names["Verifier"])


def test_each_command_prints_what_the_page_says(live: Live, tmp_path: Path) -> None:
    run_commands(blocks("console", PAGE), live, tmp_path)


class Counting(SongClient):
    """Counts how often it is asked for the keys."""

    asked = 0

    def get_signing_keys(self, *, timeout: float | None = None) -> list[JsonWebKey]:
        self.asked += 1
        return super().get_signing_keys(timeout=timeout)


def test_another_service_verifies_tokens(
    server: SongServer, listener: Caller, make_verifier: Callable[[SongClient], Verifier]
) -> None:
    assert listener.session
    token = listener.session.access_token
    header, claims, _ = token.split(".")
    made_up = jwt.encode({}, "x" * 32, headers={"kid": "made-up"})
    with Counting(server.address) as client:
        verifier = make_verifier(client)

        assert verifier.user_id(token) == listener.me().id
        with pytest.raises(jwt.InvalidSignatureError):
            verifier.user_id(f"{header}.{claims}.{'A' * 86}")
        for _ in range(3):
            with pytest.raises(jwt.InvalidKeyError, match="made-up"):
                verifier.user_id(made_up)
        assert client.asked == 1
