"""What one stream of an import does with its messages: stores their songs, or only tells what would become of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from songs.v1 import song_service_pb2 as pb
from songs.v1 import status_pb2
from songserver.errors import InvalidRequest
from songserver.services.checking import Checked, field_violations
from songserver.services.import_policies import Policy
from songserver.storage.imports import Imports, Progress
from songserver.storage.rehearsal import Rehearsal
from songserver.storage.song_batches import Fate, Outcome, Plan, SongBatches, make_plan
from songserver.storage.songs import NewSong


class RealRun:
    """Stores songs; with them, of an import that has an id, how far it has come."""

    stores = True

    def __init__(
        self, batches: SongBatches, policy: Policy, imports: Imports | None = None, progress: Progress | None = None
    ) -> None:
        """
        Args:
            batches: Where songs go.
            policy: What becomes of those that are there.
            imports: Where imports with an id are kept.
            progress: How far this one has come, if it has an id.
        """
        self._batches = batches
        self._policy = policy
        self._imports = imports
        self._progress = progress
        self._next_index = progress.next_index if progress else 0
        self._look_first = False

    @property
    def details(self) -> Mapping[str, str]:
        """What the audit log says of it."""
        return {"from": str(self._next_index)} if self._next_index else {}

    async def prepare(self, batch: Sequence[Checked]) -> None:
        """Does what can be done before the songs of the message before are stored.

        Raises:
            DatabaseFailure: If MongoDB is away.
        """
        await self._batches.prepare([item for item in batch if isinstance(item, NewSong)])

    async def store(self, batch: Sequence[Checked]) -> pb.ImportSongsResponse:
        """Stores the songs of a message.

        Raises:
            SongExists: If the policy is to end it.
            ImportTakenOver: If another stream goes on with it.
            DatabaseFailure: If MongoDB is away. What is stored of the message then, `Imports` knows.
        """

        async def settle(plan: Plan) -> None:
            if self._imports and self._progress:
                await self._imports.advance(self._progress, _answer(batch, plan, self._policy, self._next_index))

        news = [item for item in batch if isinstance(item, NewSong)]
        plan = await self._batches.store(news, self._policy.combine, settle, look_first=self._look_first)
        answer = _answer(batch, plan, self._policy, self._next_index)
        self._next_index = answer.next_index
        if self._progress:
            self._progress.messages += 1
        # Where some were there, more will be.
        self._look_first = len(plan.created) < len(plan.outcomes)
        return answer


class DryRun:
    """Stores nothing."""

    stores = False
    details: Mapping[str, str] = {}

    def __init__(self, batches: SongBatches, policy: Policy, rehearsal: Rehearsal) -> None:
        """
        Args:
            batches: Where songs would go.
            policy: What would become of those that are there.
            rehearsal: Keeps what would be there by then.
        """
        self._batches = batches
        self._policy = policy
        self._rehearsal = rehearsal
        self._next_index = 0

    async def prepare(self, batch: Sequence[Checked]) -> None:
        """Does nothing: nothing is to be found."""

    async def store(self, batch: Sequence[Checked]) -> pb.ImportSongsResponse:
        """Tells what would become of the songs of a message.

        Raises:
            SongExists: If the policy is to end it.
            DatabaseFailure: If MongoDB is away.
        """
        whole = self._policy.combine is not None
        news = [item for item in batch if isinstance(item, NewSong)]
        for new in news:
            # Nobody is told the id of a song that will never be there.
            new.song.id = ""
        there = await self._rehearsal.over(await self._batches.find(news, whole=whole), news)
        plan = await make_plan(news, there, self._policy.combine)
        await self._rehearsal.keep(plan, whole=whole)
        answer = _answer(batch, plan, self._policy, self._next_index)
        self._next_index = answer.next_index
        return answer


def _answer(batch: Sequence[Checked], plan: Plan, policy: Policy, index: int) -> pb.ImportSongsResponse:
    """Gives the answer to a message whose first item has an index."""
    results = _results(batch, iter(plan.outcomes), policy, index)
    return pb.ImportSongsResponse(results=results, next_index=index + len(batch))


def _results(
    batch: Iterable[Checked], outcomes: Iterator[Outcome | InvalidRequest], policy: Policy, start: int
) -> Iterator[pb.ImportResult]:
    for index, item in enumerate(batch, start):
        outcome = item if isinstance(item, InvalidRequest) else next(outcomes)
        if isinstance(outcome, InvalidRequest):
            yield _rejected(outcome, index)
            continue
        fate, song_id = outcome
        if fate is Fate.CREATED:
            yield pb.ImportResult(index=index, song_id=song_id, action=pb.IMPORT_ACTION_CREATED)
        elif fate is Fate.CHANGED:
            yield pb.ImportResult(index=index, song_id=song_id, action=policy.action)
        elif fate is Fate.UNCHANGED:
            yield pb.ImportResult(index=index, song_id=song_id, action=pb.IMPORT_ACTION_UNCHANGED)
        else:
            yield pb.ImportResult(
                index=index,
                status_code=status_pb2.SONG_EXISTS,
                song_id=song_id,
                message=f"the same song is there already, as {song_id}" if song_id else "the same song comes before it",
            )


def _rejected(error: InvalidRequest, index: int) -> pb.ImportResult:
    violations = field_violations(error)
    return pb.ImportResult(index=index, status_code=error.code, message=error.message, field_violations=violations)
