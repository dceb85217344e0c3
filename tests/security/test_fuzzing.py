"""What `make fuzz` goes by: what it calls a fault, and that a seed gives the same again."""

import random

import pytest

from tests.interceptors.conftest import METHODS
from tests.security.fuzzing.judge import INTERNAL, UNAVAILABLE, UNKNOWN, Judge
from tests.security.fuzzing.mutations import message_of, mutated
from tests.security.fuzzing.target import KNOWN

NOT_FOUND = 5
TRACEBACK = 'Traceback (most recent call last):\n  File "/a.py", line 3, in f'


@pytest.mark.parametrize("status", [INTERNAL, UNKNOWN, UNAVAILABLE])
@pytest.mark.parametrize("kind", ["messages", "metadata", "frames"])
def test_no_call_may_fail_within_the_server(kind: str, status: int) -> None:
    judge = Judge()
    judge.answer(kind, status, "something went wrong", ours=True, sent=b"\x01\x02")

    (fault,) = judge.faults
    assert "0102" in fault


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        ("messages", INTERNAL, "Error parsing 'te' metadata"),
        ("frames", UNKNOWN, "Unexpected <class 'ValueError'>: no"),
        ("metadata", INTERNAL, "Exception deserializing request!"),
        ("metadata", NOT_FOUND, TRACEBACK),
    ],
)
def test_neither_may_what_the_transport_tells_of_python(kind: str, status: int, message: str) -> None:
    judge = Judge()
    judge.answer(kind, status, message, ours=False, sent=b"")

    assert judge.faults


def test_a_transport_may_refuse_what_is_no_grpc_and_the_server_what_is_wrong() -> None:
    judge = Judge()
    judge.answer("frames", INTERNAL, "Failed parsing HTTP/2 (Illegal hpack op code)", ours=False, sent=b"")
    judge.answer("messages", NOT_FOUND, "there is no such song", ours=True, sent=b"")
    judge.wire("messages", b"a song", b"")
    judge.log(['{"level":"warning","event":"slow"}', "E0000 hpack_parser.cc:1] Error parsing 'te' metadata"])
    judge.memory(200 << 20, 210 << 20)

    assert judge.faults == []


def test_nothing_of_a_traceback_may_come_back() -> None:
    judge = Judge()
    judge.wire("frames", TRACEBACK.encode(), b"")

    assert judge.faults


@pytest.mark.parametrize("line", ['{"level":"error","event":"incident"}', TRACEBACK.splitlines()[0]])
def test_no_error_may_be_in_the_log(line: str) -> None:
    judge = Judge()
    judge.log([line])

    assert judge.faults


def test_memory_may_not_grow() -> None:
    judge = Judge()
    judge.memory(200 << 20, 250 << 20)

    assert judge.faults


def test_a_seed_gives_the_same_again_and_another_one_something_else() -> None:
    def sent(seed: int) -> list[bytes]:
        chance = random.Random(seed)
        messages = (message_of(method.request_type, chance, KNOWN) for method in METHODS)
        return [mutated(message.SerializeToString(deterministic=True), chance) for message in messages]

    assert sent(1) == sent(1)
    assert sent(1) != sent(2)
