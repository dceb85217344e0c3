"""How it is seen whether MongoDB is there. What clients see of it is in operations/."""

import asyncio
import random

import pytest

from songserver import lookout
from songserver.lookout import Lookout
from songserver.storage.mongo import Mongo
from songserver.worker import ServingStatus

STOPS = 50


def test_a_stop_ends_however_far_a_look_at_mongodb_is(
    song_server_mongodb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once cancelled the look, which pymongo swallows now and then, and the server never stopped."""
    monkeypatch.setattr(lookout, "INTERVAL", 0.0)

    async def tell(status: ServingStatus) -> None:
        pass

    async def start_and_stop() -> None:
        mongo = Mongo(song_server_mongodb, "none", 5)
        looking = Lookout(mongo, tell)
        for _ in range(STOPS):
            await looking.start()
            await asyncio.sleep(random.random() * 0.01)
            await asyncio.wait_for(asyncio.shield(looking.stop()), 5)
            looking = Lookout(mongo, tell)
        await mongo.close()

    asyncio.run(start_and_stop())
