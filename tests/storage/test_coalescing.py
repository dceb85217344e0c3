"""Calls that arrive while one is in flight go out together, and each has its own answer."""

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songserver.errors import DatabaseFailure
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import database_within

pytestmark = pytest.mark.asyncio


class Store:
    """Answers questions once it is let; remembers the batches that they came in."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.let = asyncio.Event()
        self.let.set()

    async def ask(self, questions: Sequence[Any]) -> list[str]:
        self.batches.append(list(questions))
        await self.let.wait()
        if "poison" in questions:
            raise DatabaseFailure("the batch failed")
        return [f"answer to {question}" for question in questions]

    def coalescer(self, most: int = 100, timeout: float = 5.0) -> Coalescer[Any, str]:
        return Coalescer(self.ask, most=most, timeout=timeout)


async def asked(coalescer: Coalescer[Any, str], *questions: Any) -> list[asyncio.Task[str]]:
    """Asks each question in a task of its own, and lets them come as far as they come."""
    tasks = [asyncio.ensure_future(coalescer(question)) for question in questions]
    await asyncio.sleep(0.01)
    return tasks


async def test_a_call_that_finds_none_in_flight_goes_out_at_once() -> None:
    store = Store()
    coalescer = store.coalescer()

    assert [await coalescer(1), await coalescer(2)] == ["answer to 1", "answer to 2"]
    assert store.batches == [[1], [2]]


async def test_calls_that_arrive_while_one_is_in_flight_go_out_together_up_to_a_bound() -> None:
    store = Store()
    store.let.clear()
    coalescer = store.coalescer(most=2)

    tasks = await asked(coalescer, 0)
    tasks += await asked(coalescer, 1, 2, 3)
    store.let.set()

    assert await asyncio.gather(*tasks) == [f"answer to {number}" for number in range(4)]
    assert store.batches == [[0], [1, 2], [3]]


async def test_a_failed_batch_is_an_error_to_its_own_callers_only() -> None:
    store = Store()
    store.let.clear()
    coalescer = store.coalescer(most=2)

    tasks = await asked(coalescer, 0)
    tasks += await asked(coalescer, 1, "poison", 3)
    store.let.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert (answers[0], answers[3]) == ("answer to 0", "answer to 3")
    assert [type(answer) for answer in answers[1:3]] == [DatabaseFailure, DatabaseFailure]
    assert await coalescer(4) == "answer to 4"


async def test_who_is_cancelled_takes_nobody_along() -> None:
    store = Store()
    store.let.clear()
    coalescer = store.coalescer()

    (in_flight,) = await asked(coalescer, 0)
    waiting = await asked(coalescer, 1, 2)
    in_flight.cancel()
    waiting[0].cancel()
    store.let.set()

    assert await waiting[1] == "answer to 2"
    # Nor is anything asked for one who has gone before the batch went out.
    assert store.batches == [[0], [2]]
    assert await coalescer(3) == "answer to 3"


async def test_a_caller_waits_no_longer_than_its_own_deadline() -> None:
    store = Store()
    store.let.clear()
    coalescer = store.coalescer()

    patient = (await asked(coalescer, 0))[0]
    with pytest.raises(DatabaseFailure), database_within(0.05):
        await coalescer(1)
    store.let.set()

    assert await patient == "answer to 0"


async def test_a_caller_without_a_deadline_waits_no_longer_than_a_batch_may_take() -> None:
    store = Store()
    store.let.clear()

    with pytest.raises(TimeoutError):
        await store.coalescer(timeout=0.05)(1)


async def test_what_the_context_of_a_caller_has_is_not_the_batchs() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")
    seen = []

    async def ask(questions: Sequence[int]) -> Sequence[int]:
        seen.append(variable.get())
        return questions

    coalescer = Coalescer(ask, most=10, timeout=1)
    variable.set("the caller's")

    assert await coalescer(1) == 1
    assert seen == ["nobody's"]


@pytest.mark.parametrize(
    "fault", [asyncio.CancelledError, KeyError, None], ids=["cancelled", "failed", "too few answers"]
)
async def test_it_goes_on_after_a_batch_that_ended_badly(fault: type[BaseException] | None) -> None:
    faults = [fault]

    async def ask(questions: Sequence[int]) -> Sequence[int]:
        if faults:
            if fault := faults.pop():
                raise fault
            return []
        return questions

    coalescer = Coalescer(ask, most=10, timeout=0.2)

    with pytest.raises((KeyError, ValueError, TimeoutError)):
        await coalescer(1)
    assert await coalescer(2) == 2


@settings(max_examples=50, deadline=None)
@given(
    questions=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=40),
    most=st.integers(1, 8),
)
async def test_it_answers_as_the_plain_store_does(questions: list[tuple[int, int, bool]], most: int) -> None:
    async def ask(asked: Sequence[int]) -> Sequence[int]:
        assert 0 < len(asked) <= most
        await asyncio.sleep(0.0005)
        return [number * number for number in asked]

    coalescer = Coalescer(ask, most=most, timeout=5)

    async def call(number: int, pause: int, *, cancelled: bool) -> None:
        await asyncio.sleep(pause * 0.0003)
        answer = asyncio.ensure_future(coalescer(number))
        if cancelled:
            await asyncio.sleep(0)
            answer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await answer
        else:
            assert await answer == number * number

    await asyncio.gather(*(call(number, pause, cancelled=cancelled) for number, pause, cancelled in questions))
