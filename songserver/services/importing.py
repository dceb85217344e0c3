"""ImportSongs: many songs from one stream, each on its own account, in bounded memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing

from songs.v1 import song_service_pb2 as pb
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.status_pb2 import StatusCode
from songserver.errors import InvalidDataFormat, Violation
from songserver.rpc import Call
from songserver.rules import Rules
from songserver.services.auditing import event_of
from songserver.services.checking import Checked, check
from songserver.services.import_policies import policies
from songserver.services.import_streams import DryRun, RealRun
from songserver.storage.audit import Audit
from songserver.storage.imports import Imports
from songserver.storage.rehearsal import Rehearsal
from songserver.storage.song_batches import SongBatches


class Importing:
    """Makes the next message ready while MongoDB takes the songs of the one before."""

    def __init__(self, batches: SongBatches, imports: Imports, rules: Rules, audit: Audit) -> None:
        self._batches = batches
        self._imports = imports
        self._rules = rules
        self._audit = audit
        self._policies = policies(rules)

    async def run(
        self, requests: AsyncIterator[pb.ImportSongsRequest], call: Call
    ) -> AsyncGenerator[pb.ImportSongsResponse]:
        """Answers each message of a stream, once its songs are stored."""
        first = await anext(requests, None)
        if first is None:
            return
        options = first.options
        existing = options.existing or pb.EXISTING_SONGS_SKIP
        policy = self._policies[existing]
        async with AsyncExitStack() as stack:
            stream: RealRun | DryRun
            if options.dry_run:
                stream = DryRun(self._batches, policy, stack.enter_context(Rehearsal()))
            elif options.import_id:
                if first.items:
                    raise _refused("items", "must be empty in the first message of an import with an id")
                progress, results = await self._imports.begin(call.caller.user_id, options.import_id, existing)
                yield pb.ImportSongsResponse(results=results, next_index=progress.next_index)
                stream, first = RealRun(self._batches, policy, self._imports, progress), None
            else:
                stream = RealRun(self._batches, policy)
            answers = self._answers(requests, first, stream, call)
            async for answer in await stack.enter_async_context(aclosing(answers)):
                yield answer

    async def _answers(
        self,
        requests: AsyncIterator[pb.ImportSongsRequest],
        first: pb.ImportSongsRequest | None,
        stream: RealRun | DryRun,
        call: Call,
    ) -> AsyncGenerator[pb.ImportSongsResponse]:
        """Answers messages. Two are held at a time: one that is stored, and the next one.

        The audit log hears of it before the first one is stored, and at the end of what became of all.
        """
        user_id = call.caller.user_id
        counts: Counter[str] = Counter()
        ahead = asyncio.create_task(
            self._make_ready(first.items, stream, user_id) if first else self._next(requests, stream, user_id)
        )
        try:
            while (batch := await ahead) is not None:
                ahead = asyncio.create_task(self._next(requests, stream, user_id))
                if stream.stores and not counts:
                    await self._audit.note(event_of(call, phase="begun", **stream.details))
                # Until its results are there, nobody knows what has become of a message's songs.
                counts["unknown"] += len(batch)
                answer = await stream.store(batch)
                counts["unknown"] -= len(batch)
                counts.update(StatusCode.Name(result.status_code) for result in answer.results)
                yield answer
            if stream.stores and counts:
                ended = _ended(call, counts)
                # It is said once, and to its end, also if the client goes away meanwhile.
                counts.clear()
                await asyncio.shield(asyncio.create_task(self._audit.note(ended)))
        finally:
            ahead.cancel()
            # Waited for, so that what it fails with is not lost on the loop, where it would be logged as a fault.
            await asyncio.wait([ahead])
            if stream.stores and counts:
                # The stream broke, and nobody waits for it.
                self._audit.note_later(_ended(call, counts))

    async def _next(
        self, requests: AsyncIterator[pb.ImportSongsRequest], stream: RealRun | DryRun, user_id: str
    ) -> list[Checked] | None:
        """Reads a message and makes it ready; gives None after the last one."""
        request = await anext(requests, None)
        if request is None:
            return None
        if request.HasField("options"):
            raise _refused("options", "must be in the first message of the stream only")
        return await self._make_ready(request.items, stream, user_id)

    async def _make_ready(
        self, items: Sequence[pb.ImportItem], stream: RealRun | DryRun, user_id: str
    ) -> list[Checked]:
        """Checks the songs of a message, and does what can be done before they are stored."""
        checked = await check(items, self._rules, user_id)
        await stream.prepare(checked)
        return checked


def _refused(field: str, description: str) -> InvalidDataFormat:
    return InvalidDataFormat(f"{field} {description}", violations=[Violation(field, description)])


def _ended(call: Call, counts: Counter[str]) -> AuditEvent:
    return event_of(call, phase="ended", **{name: str(count) for name, count in counts.items() if count})
