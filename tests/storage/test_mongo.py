"""A server that starts before its MongoDB is ready."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from songserver.config import Settings
from songserver.errors import DatabaseFailure
from songserver.storage.mongo import Mongo
from songserver.testing import MONGODB_TIMEOUT, running_server
from tests.operations.conftest import OwnMongod


@pytest.fixture
def without_primary(tmp_path: Path) -> Iterator[OwnMongod]:
    """A MongoDB that is no replica set yet, and so takes no writes."""
    mongod = OwnMongod(tmp_path)
    mongod.start()
    yield mongod
    mongod.kill()


def test_a_start_waits_until_there_is_a_primary(without_primary: OwnMongod, tmp_path: Path) -> None:
    direct = without_primary.uri.partition("?")[0] + "?directConnection=true"

    async def ping() -> None:
        mongo = Mongo(direct, "songs", 5)
        try:
            while True:
                try:
                    return await mongo.ping()
                except DatabaseFailure as failure:
                    if "Connect call failed" not in failure.message:  # it has come up by now
                        raise
        finally:
            await mongo.close()

    with pytest.raises(DatabaseFailure, match="MongoDB has no primary now") as caught:
        asyncio.run(ping())
    assert caught.value.retry_after

    settings = Settings(
        listen="127.0.0.1:0",
        data_directory=tmp_path / "songs",
        mongodb_uri=SecretStr(direct),
        mongodb_timeout=MONGODB_TIMEOUT,
    )
    with ThreadPoolExecutor(1) as threads:
        initiating = threads.submit(without_primary.initiate)
        with running_server(settings) as server:
            assert server.sign_up("ada")
        initiating.result()
