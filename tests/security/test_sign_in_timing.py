"""The time of an answer does not tell what is behind a name."""

import math
import random
import secrets
import statistics
import time
from collections.abc import Callable
from typing import Any

import pymongo
import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN
from songs.v1.user_service_pb2 import DisableUserRequest, SignInRequest
from songserver.config import Settings
from songserver.testing import PASSWORD, running_server
from tests.conftest import Caller, failure

ROUNDS = 80
SIGNIFICANT = 4.5
"""Standard deviations: by chance once in 150,000 comparisons. A name that tells by its time is 7 to 10."""


def difference(one: list[float], other: list[float]) -> float:
    """By how many standard deviations two samples differ in rank (the Mann-Whitney U test)."""
    ranked = sorted((value, index < len(one)) for index, value in enumerate(one + other))
    of_one = sum(rank for rank, (_, is_one) in enumerate(ranked, 1) if is_one)
    n, m = len(one), len(other)
    u = of_one - n * (n + 1) / 2
    return abs(u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def interleaved(calls: dict[str, Callable[[], object]], prepare: Callable[[], object]) -> dict[str, list[float]]:
    """The seconds that each call took, in rounds of changing order: what slows the machine down slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls)
    for _ in range(ROUNDS):
        random.shuffle(order)
        for name in order:
            prepare()
            began = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - began)
    return seconds


@pytest.mark.alone
def test_unknown_wrong_and_disabled_take_the_same_time(
    song_server_settings: Settings, song_server_mongodb: str
) -> None:
    # 10 ms for a password: to be seen, on a busy machine too, if one is checked in one case and not in the other.
    settings = song_server_settings.model_copy(update={"argon2_memory_cost": 8192})
    with running_server(settings) as server, pymongo.MongoClient[Any](song_server_mongodb) as client:
        attempts = client[settings.mongodb_database]["sign_in_attempts"]
        admin, caller = Caller.new(server, PRIVILEGE_ADMIN), Caller(server.channel())
        known, disabled = (server.sign_up(f"u{secrets.token_hex(6)}")[0] for _ in range(2))
        unknown = f"u{secrets.token_hex(6)}"
        admin.users.DisableUser(DisableUserRequest(username=disabled))

        def sign_in(name: str, password: str) -> Callable[[], object]:
            request = SignInRequest(username=name, password=password)

            def call() -> None:
                assert failure(caller.users.SignIn, request).code == "SIGN_IN_FAILURE"

            return call

        seconds = interleaved(
            {
                "unknown user": sign_in(unknown, PASSWORD),
                "wrong password": sign_in(known, "a wrong password"),
                "disabled, wrong": sign_in(disabled, "a wrong password"),
                "disabled, right": sign_in(disabled, PASSWORD),
            },
            # None is ever locked.
            prepare=lambda: attempts.delete_many({}),
        )

    for name, sample in seconds.items():
        print(f"{name}: median {statistics.median(sample) * 1000:.2f} ms")  # noqa: T201
    names = list(seconds)
    differences = {
        (one, other): difference(seconds[one], seconds[other])
        for index, one in enumerate(names)
        for other in names[index + 1 :]
    }
    print(", ".join(f"{one} / {other}: {value:.1f}" for (one, other), value in differences.items()))  # noqa: T201
    assert max(differences.values()) < SIGNIFICANT, differences


def test_the_statistics_see_a_difference_of_5_percent() -> None:
    noise = random.Random(1)
    samples = [[1 + noise.expovariate(20) for _ in range(ROUNDS)] for _ in range(2)]

    assert difference(*samples) < SIGNIFICANT
    assert difference(samples[0], [value + 0.05 for value in samples[1]]) > SIGNIFICANT
