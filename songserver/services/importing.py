"""ImportSongs: many songs from one stream, each on its own account, in bounded memory."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

from google.rpc.error_details_pb2 import BadRequest

from songs.v1 import song_service_pb2 as pb
from songs.v1 import status_pb2
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.status_pb2 import StatusCode
from songserver.errors import InvalidRequest
from songserver.rpc import Call
from songserver.rules import Rules
from songserver.services.auditing import event_of
from songserver.storage.audit import Audit
from songserver.storage.songs import Made, NewSong, Songs

BREATH = 0.003
"""Seconds for which items are checked in one go, before other calls have their turn."""

Checked: TypeAlias = NewSong | InvalidRequest


class Importing:
    """Checks the next message while MongoDB takes the songs of the one before."""

    def __init__(self, songs: Songs, rules: Rules, audit: Audit) -> None:
        self._songs = songs
        self._rules = rules
        self._audit = audit

    async def run(
        self, requests: AsyncIterator[pb.ImportSongsRequest], call: Call
    ) -> AsyncIterator[list[pb.ImportResult]]:
        """Makes the songs of a stream; gives the results of each message once its songs are stored.

        Two messages are held at a time: one that is stored, and the next one. The audit log hears of it before the
        first one is stored, and at the end of what became of all.
        """
        user_id = call.caller.user_id
        counts: Counter[str] = Counter()
        ahead = asyncio.create_task(self._next(requests, user_id))
        try:
            while (batch := await ahead) is not None:
                ahead = asyncio.create_task(self._next(requests, user_id))
                if not counts:
                    await self._audit.note(event_of(call, phase="begun"))
                index = counts.total()
                # Until its results are there, nobody knows what has become of a message's songs.
                counts["unknown"] += len(batch)
                results = await self._store(batch, index)
                counts["unknown"] -= len(batch)
                counts.update(StatusCode.Name(result.status_code) for result in results)
                yield results
            if counts:
                await self._audit.note(_ended(call, counts))
                counts.clear()
        finally:
            ahead.cancel()
            # Waited for, so that what it fails with is not lost on the loop, where it would be logged as a fault.
            await asyncio.wait([ahead])
            if counts:
                # The stream broke, and nobody waits for it.
                self._audit.note_later(_ended(call, counts))

    async def _next(self, requests: AsyncIterator[pb.ImportSongsRequest], user_id: str) -> list[Checked] | None:
        """Reads and checks a message; gives None after the last one."""
        request = await anext(requests, None)
        return None if request is None else await self._check(request.items, user_id)

    async def _check(self, items: Sequence[pb.ImportItem], user_id: str) -> list[Checked]:
        checked: list[Checked] = []
        turn = time.perf_counter()
        for item in items:
            try:
                self._rules.check(item)
                checked.append(NewSong.of(item.song, user_id, item.request_id))
            except InvalidRequest as error:
                checked.append(error)
            if time.perf_counter() - turn > BREATH:
                await asyncio.sleep(0)
                turn = time.perf_counter()
        return checked

    async def _store(self, batch: list[Checked], index: int) -> list[pb.ImportResult]:
        made = iter(await self._songs.create_many([item for item in batch if isinstance(item, NewSong)]))
        return [
            _rejected(item, place) if isinstance(item, InvalidRequest) else _result(next(made), place)
            for place, item in enumerate(batch, start=index)
        ]


def _ended(call: Call, counts: Counter[str]) -> AuditEvent:
    return event_of(call, phase="ended", **{name: str(count) for name, count in counts.items() if count})


def _result(made: Made, index: int) -> pb.ImportResult:
    if made.is_new:
        return pb.ImportResult(index=index, song_id=made.song_id)
    return pb.ImportResult(
        index=index,
        status_code=status_pb2.SONG_EXISTS,
        song_id=made.song_id,
        message=f"the same song is there already, as {made.song_id}",
    )


def _rejected(error: InvalidRequest, index: int) -> pb.ImportResult:
    violations = [
        BadRequest.FieldViolation(field=violation.field, description=violation.description)
        for violation in error.violations
    ]
    return pb.ImportResult(index=index, status_code=error.code, message=error.message, field_violations=violations)
