"""Calls that arrive while one is in flight go out together.

One find costs pymongo some 250 us, a find of 32 ids 10 us an id; so under load it pays to let calls wait for the one
before them. Without load there is nothing to wait for: a call that finds none in flight goes out at once, by itself.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from songserver.storage.mongo import time_left

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Coalescer(Generic[Question, Answer]):
    """Asks MongoDB many questions at once.

    A batch belongs to no caller: neither the deadline of one nor its cancellation touches the others. When it fails,
    all whose question was in it hear of it, and nobody else.
    """

    def __init__(
        self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], *, most: int, timeout: float
    ) -> None:
        """
        Args:
            ask: Answers questions, in their order.
            most: Questions in a batch at the most.
            timeout: Seconds that a caller waits at the most, for the batch before its own and its own.
        """
        self._ask = ask
        self._most = most
        self._timeout = timeout
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._flight: asyncio.Task[None] | None = None
        # What the context of a caller has, its deadline for MongoDB above all, is not the batch's.
        self._context = contextvars.copy_context()

    async def __call__(self, question: Question) -> Answer:
        """Gives the answer to a question.

        Raises:
            TimeoutError: If the caller's time is up first.
            Exception: What `ask` raised for the batch.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fly(), context=self._context)
        async with asyncio.timeout(min(self._timeout, time_left())):
            return await answer

    async def _fly(self) -> None:
        """Asks what waits, batch after batch, until nothing does."""
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            # Who has been cancelled wants no answer any more.
            wanted = [(question, answer) for question, answer in batch if not answer.done()]
            if not wanted:
                continue
            try:
                answers = await self._ask([question for question, _ in wanted])
                for (_, future), answer in zip(wanted, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
            except Exception as error:  # noqa: BLE001 - raised to each who asked
                for _, future in wanted:
                    if not future.done():
                        future.set_exception(error)
